//! Counters, sizes and durations that a JavaScript number holds exactly.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use serde::{Deserialize, Serialize};

/// A whole number from 0 to 2⁵³ − 1, as a JSON number. Sizes, counters and durations; the unit is in the field's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
#[sqlx(transparent)]
#[serde(transparent)]
pub struct UInt53(i64);

impl UInt53 {
    /// 2⁵³ − 1.
    pub const MAX: u64 = (1 << 53) - 1;

    /// The number, as SQL and arithmetic want it; never negative.
    pub fn get(self) -> i64 {
        self.0
    }

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0.unsigned_abs()
    }
}

/// A number too large to be shown is shown as the largest.
impl From<u64> for UInt53 {
    fn from(number: u64) -> Self {
        Self(i64::try_from(number.min(Self::MAX)).unwrap_or(i64::MAX))
    }
}

impl From<u32> for UInt53 {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl From<usize> for UInt53 {
    fn from(number: usize) -> Self {
        Self::from(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

/// A whole number from 0 to 2⁵³ − 1, as a JSON number. Sizes, counters and durations; the unit is in the field's name.
#[Scalar(name = "UInt53", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259#section-6")]
impl ScalarType for UInt53 {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_u64()
                .filter(|number| *number <= Self::MAX)
                .map(Self::from)
                .ok_or_else(|| InputValueError::custom("A UInt53 is a whole number from 0 to 9007199254740991.")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::Number;

    use super::*;

    fn parse(number: impl Into<Number>) -> Option<u64> {
        UInt53::parse(Value::Number(number.into())).ok().map(UInt53::as_u64)
    }

    #[test]
    fn takes_what_javascript_reads_exactly() {
        assert_eq!(parse(0_u64), Some(0));
        assert_eq!(parse(UInt53::MAX), Some((1 << 53) - 1));
        assert_eq!(parse(1_u64 << 53), None);
        assert_eq!(parse(-1_i64), None);
        assert_eq!(Number::from_f64(1.5).and_then(parse), None);
        assert!(UInt53::parse(Value::String("1".to_owned())).is_err());
        assert_eq!(UInt53::from(u64::MAX).as_u64(), UInt53::MAX);
    }
}
