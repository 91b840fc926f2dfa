//! Ids: opaque to clients and readable to people, a type prefix and a UUID version 7 (`run_01jd…`, the `TypeID` format).
//!
//! Each is a newtype, so that a run's id cannot stand where a project's is meant, and each is an `ID` in the schema.

use std::{borrow::Cow, fmt, str::FromStr};

use async_graphql::{
    ContextSelectionSet, ID, InputType, InputValueError, InputValueResult, OutputType, Positioned, ServerResult, Value,
    parser::types::Field, registry::Registry,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

use crate::{
    clock,
    error::{Error, Result},
};

/// Reads the text form of an id and checks its prefix; the error names `noun` and shows the form.
fn parse(text: &str, prefix: &str, noun: &str) -> Result<Uuid> {
    text.parse::<TypeSafeId<DynamicType>>()
        .ok()
        .filter(|id| id.type_prefix() == prefix)
        .map(|id| id.uuid())
        .ok_or_else(|| Error::invalid(format!("This is not the id of a {noun}. Such ids look like `{prefix}_01jd…`.")))
}

fn write(prefix: &'static str, uuid: Uuid, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let prefix = DynamicType::new(prefix).map_err(|_| fmt::Error)?;
    fmt::Display::fmt(&TypeSafeId::from_type_and_uuid(prefix, uuid), f)
}

/// An id as an argument: an `ID` in the schema, and an error of the caller's if its text is not one.
macro_rules! id_input {
    ($name:ident) => {
        impl InputType for $name {
            type RawValueType = Self;

            fn type_name() -> Cow<'static, str> {
                <ID as InputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <ID as InputType>::create_type_info(registry)
            }

            fn parse(value: Option<Value>) -> InputValueResult<Self> {
                let id = ID::parse(value).map_err(InputValueError::propagate)?;
                id.parse().map_err(|error: Error| {
                    InputValueError::custom(error.message()).with_extension("code", "BAD_USER_INPUT")
                })
            }

            fn to_value(&self) -> Value {
                Value::String(self.to_string())
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }
        }
    };
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal, $noun:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type, Serialize, Deserialize)]
        #[sqlx(transparent)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(pub Uuid);

        impl $name {
            /// What its text form starts with.
            pub const PREFIX: &str = $prefix;
            /// What it identifies, in the words of an error message.
            pub const NOUN: &str = $noun;

            /// A new one, later than all before it.
            pub fn new() -> Self {
                Self(clock::new_id())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write(Self::PREFIX, self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                parse(text, Self::PREFIX, Self::NOUN).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        id_input!($name);

        impl OutputType for $name {
            fn type_name() -> Cow<'static, str> {
                <ID as OutputType>::type_name()
            }

            fn create_type_info(registry: &mut Registry) -> String {
                <ID as OutputType>::create_type_info(registry)
            }

            async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
                Ok(Value::String(self.to_string()))
            }
        }
    )* };
}

ids! {
    /// Identifies a user.
    UserId = "user", "user";
    /// Identifies an access token (never the token itself).
    TokenId = "token", "token";
    /// Identifies a project.
    ProjectId = "project", "project";
    /// Identifies a workspace session.
    SessionId = "session", "workspace session";
    /// Identifies a run.
    RunId = "run", "run";
    /// Identifies a file of a project: a path in an area, whatever its content.
    FileId = "file", "file";
    /// Identifies one immutable content of a file.
    VersionId = "version", "file version";
    /// Identifies an artifact.
    ArtifactId = "artifact", "artifact";
    /// Identifies something that an admin did.
    AdminActionId = "action", "admin action";
}

impl VersionId {
    /// Whether it was made before this time, to the millisecond: a UUID of version 7 begins with the time of its making.
    pub fn made_before(&self, time: DateTime<Utc>) -> bool {
        let made = self.0.get_timestamp().map_or((0, 0), |stamp| stamp.to_unix());
        let made = i64::try_from(made.0).ok().and_then(|seconds| DateTime::from_timestamp(seconds, made.1));
        made.is_none_or(|made| made < time)
    }
}

/// The id of any node, read from its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeId {
    /// A user's.
    User(UserId),
    /// A project's.
    Project(ProjectId),
    /// A workspace session's.
    Session(SessionId),
    /// A run's.
    Run(RunId),
    /// A file's.
    File(FileId),
    /// An artifact's.
    Artifact(ArtifactId),
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => id.fmt(f),
            Self::Project(id) => id.fmt(f),
            Self::Session(id) => id.fmt(f),
            Self::Run(id) => id.fmt(f),
            Self::File(id) => id.fmt(f),
            Self::Artifact(id) => id.fmt(f),
        }
    }
}

id_input!(NodeId);

impl FromStr for NodeId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.rsplit_once('_').map(|(prefix, _)| prefix) {
            Some(UserId::PREFIX) => text.parse().map(Self::User),
            Some(ProjectId::PREFIX) => text.parse().map(Self::Project),
            Some(SessionId::PREFIX) => text.parse().map(Self::Session),
            Some(RunId::PREFIX) => text.parse().map(Self::Run),
            Some(FileId::PREFIX) => text.parse().map(Self::File),
            Some(ArtifactId::PREFIX) => text.parse().map(Self::Artifact),
            _ => Err(Error::invalid("This is not the id of a node. Ids look like `run_01jd…` or `project_01jd…`.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text_form() {
        let id = RunId::new();
        assert!(id.to_string().starts_with("run_"));
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        assert_eq!(id.to_string().parse::<NodeId>().unwrap(), NodeId::Run(id));
    }

    #[test]
    fn another_nouns_id_and_nonsense_are_refused_alike() {
        let foreign = ProjectId::new().to_string().parse::<RunId>().unwrap_err();
        for nonsense in ["", "run_", "run_zzz", "RUN_01jd", "01jd", "run_01h455vb4pex5vsknk084sn02q0"] {
            assert_eq!(nonsense.parse::<RunId>().unwrap_err().message(), foreign.message(), "{nonsense}");
        }
    }

    #[test]
    fn ids_sort_by_the_time_of_their_making() {
        let ids: Vec<_> = (0..100).map(|_| RunId::new()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn a_version_knows_when_it_was_made() {
        let now = clock::now();
        let id = VersionId::new();
        assert!(id.made_before(now + chrono::Duration::minutes(1)));
        assert!(!id.made_before(now - chrono::Duration::milliseconds(2)));
    }
}
