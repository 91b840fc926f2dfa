//! The scalars that are not GraphQL's own.
//!
//! [`UInt53`] is ours. `DateTime` is the engine's, from `chrono::DateTime<Utc>`: RFC 3339. `JSON` is the engine's too, from
//! `serde_json::Value`; it is only for values whose shape the server does not own.

use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};

/// A whole number from 0 to 2^53 - 1, as a JSON number. For sizes, counters and durations; a field's name carries its unit.
///
/// JavaScript reads every such number exactly. GraphQL's `Int` ends at 2^31 - 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UInt53(u64);

/// A number that is too large to be a [`UInt53`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is more than 2^53 - 1")]
pub struct TooLarge(u64);

impl UInt53 {
    /// The largest value: 2^53 - 1.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The value, or the largest one where it is more than that. For counters that cannot get there in practice.
    pub fn saturating(value: u64) -> Self {
        Self(value.min(Self::MAX.0))
    }

    /// The number itself.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<u64> for UInt53 {
    type Error = TooLarge;

    fn try_from(value: u64) -> Result<Self, TooLarge> {
        if value <= Self::MAX.0 { Ok(Self(value)) } else { Err(TooLarge(value)) }
    }
}

impl From<u32> for UInt53 {
    fn from(value: u32) -> Self {
        Self(value.into())
    }
}

/// A whole number from 0 to 2^53 - 1, as a JSON number. Sizes, counters and durations are of this type; a field's name carries
/// its unit. JavaScript reads every such number exactly, where `Int` ends at 2^31 - 1.
#[Scalar(name = "UInt53", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259#section-6")]
impl ScalarType for UInt53 {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::Number(number) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        let Some(number) = number.as_u64() else {
            return Err(InputValueError::custom("expected a whole number from 0 to 2^53 - 1"));
        };
        Self::try_from(number).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(number: impl Into<Number>) -> Option<u64> {
        UInt53::parse(Value::Number(number.into())).ok().map(UInt53::get)
    }

    #[test]
    fn takes_what_javascript_reads_exactly() {
        assert_eq!(parse(0_u64), Some(0));
        assert_eq!(parse((1_u64 << 53) - 1), Some((1 << 53) - 1));
        assert_eq!(parse(1_u64 << 53), None);
        assert_eq!(parse(-1_i64), None);
        assert_eq!(Number::from_f64(1.5).and_then(parse), None);
        assert!(UInt53::parse(Value::String("1".to_owned())).is_err());
    }

    #[test]
    fn answers_a_number() {
        assert_eq!(UInt53::from(7_u32).to_value(), Value::Number(7_u64.into()));
        assert_eq!(UInt53::saturating(u64::MAX), UInt53::MAX);
    }
}
