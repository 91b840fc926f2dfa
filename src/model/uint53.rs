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

impl From<usize> for UInt53 {
    fn from(number: usize) -> Self {
        Self::from(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

#[Scalar]
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
