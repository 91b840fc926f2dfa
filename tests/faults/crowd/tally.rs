//! What a crowd was answered.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

/// The codes that an answer may have.
const TYPED: [&str; 7] =
    ["UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "NOT_FOUND", "RATE_LIMITED", "TIMEOUT", "UNAVAILABLE"];
/// What is asked for in order to be refused. Nobody else asks for what cannot be understood.
pub const REFUSED: &str = "what is refused";
/// Faults that are told of at the most.
const SHOWN: usize = 20;

/// Counts of a whole crowd.
#[derive(Default)]
pub struct Tally(Mutex<Counts>);

/// How often what was answered, and what should not have been.
#[derive(Default)]
pub struct Counts {
    /// By what was asked for.
    pub asked: BTreeMap<&'static str, u64>,
    /// By status, and by the code of each error.
    pub answered: BTreeMap<String, u64>,
    /// What breaks the promise, some of it.
    pub faults: Vec<String>,
}

impl Tally {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody asks.
    pub fn asks(&self, what: &'static str) {
        *self.counts().asked.entry(what).or_default() += 1;
    }

    /// An answer's status.
    pub fn status(&self, what: &str, status: u16) {
        self.count(format!("status {status}"));
        if status == 500 {
            self.fault(format!("{what} was answered with 500"));
        }
    }

    /// An answer's errors, each of which has a code.
    pub fn answer(&self, what: &str, answer: &Value) {
        for error in answer["errors"].as_array().into_iter().flatten() {
            match error["extensions"]["code"].as_str() {
                Some("BAD_USER_INPUT") if what != REFUSED => self.fault(format!("{what}: {error}")),
                Some(code) if TYPED.contains(&code) => self.count(format!("error {code} to {what}")),
                _ => self.fault(format!("{what}: {error}")),
            }
        }
        self.user_errors(&answer["data"]);
    }

    fn user_errors(&self, value: &Value) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.user_errors(value)),
            Value::Object(fields) => {
                for (name, value) in fields {
                    if name == "userErrors" {
                        for error in value.as_array().into_iter().flatten() {
                            self.count(format!("user error {}", error["code"].as_str().unwrap_or("without a code")));
                        }
                    } else {
                        self.user_errors(value);
                    }
                }
            }
            _ => {}
        }
    }

    /// Counts one more of these.
    pub fn count(&self, what: String) {
        *self.counts().answered.entry(what).or_default() += 1;
    }

    /// Something that should not be.
    pub fn fault(&self, what: String) {
        let mut counts = self.counts();
        if counts.faults.len() < SHOWN {
            counts.faults.push(what);
        }
    }

    /// All of it, and begins anew.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut *self.counts())
    }
}
