//! What the two engines say differently.

use chrono::{DateTime, Utc};

use super::Conn;
use crate::error::{Kind, NO_SPACE, READ_ONLY};

/// The last second of the year 9999: up to then times sort as text, which is how SQLite keeps them.
pub(super) const END_OF_9999: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(end) => end,
    None => DateTime::UNIX_EPOCH,
};

/// Ends a select of rows that are to be taken, so that several who select at once take different ones. SQLite has one
/// writer and needs no words for it.
pub(super) fn skip_locked(conn: &Conn) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => " for update skip locked",
    }
}

/// Ends a select of a row that stays as it is until the unit ends. On SQLite nobody else writes meanwhile.
pub(super) fn locked(conn: &Conn) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => " for no key update",
    }
}

/// Restricts a select of `activity` to rows before which no more can come. SQLite has one writer, whose commits are in order;
/// on PostgreSQL an older transaction may still be under way. Those of other databases of the same server count too, so one
/// that writes for long holds back what watchers are told.
pub(super) fn settled(conn: &Conn) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "",
        Conn::Postgres(_) => " and tx < pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
    }
}

/// The function that says at which character a text has another in it, counted from 1; 0 where it has not.
pub(super) fn position(conn: &Conn) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "instr",
        Conn::Postgres(_) => "strpos",
    }
}

/// The kind of failure behind an engine's error code: a SQLSTATE of PostgreSQL (five characters) or an extended result code
/// of SQLite (a number).
pub fn kind_of(code: &str) -> Kind {
    if code.len() == 5 {
        return match code {
            // serialization_failure, deadlock_detected, lock_not_available
            "40001" | "40P01" | "55P03" => Kind::Busy,
            // character_not_in_repertoire: a NUL in text
            "22021" => Kind::Invalid,
            // read_only_sql_transaction: the server has become a standby
            "25006" => Kind::Unavailable,
            // connection exceptions; insufficient resources; the operator stops or starts the server
            _ if code.starts_with("08") || code.starts_with("53") || code.starts_with("57") => Kind::Unavailable,
            _ => Kind::Internal,
        };
    }
    match code.parse::<u32>().map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED
        Ok(5 | 6) => Kind::Busy,
        // SQLITE_NOMEM, SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN
        Ok(7 | 8 | 10 | 13 | 14) => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// What a caller can be told about a failure of the engine's disk, by the same codes.
pub(super) fn trouble(code: &str) -> Option<&'static str> {
    match code {
        // disk_full; SQLITE_FULL
        "53100" | "13" => Some(NO_SPACE),
        // read_only_sql_transaction
        "25006" => Some(READ_ONLY),
        // SQLITE_READONLY, of whatever kind
        _ if code.len() != 5 && code.parse::<u32>().is_ok_and(|code| code & 0xff == 8) => Some(READ_ONLY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_not_a_bug_and_a_broken_constraint_is() {
        assert_eq!(kind_of("13"), Kind::Unavailable);
        assert_eq!(kind_of("57P01"), Kind::Unavailable);
        assert_eq!(kind_of("40P01"), Kind::Busy);
        assert_eq!(kind_of("517"), Kind::Busy);
        assert_eq!(kind_of("1555"), Kind::Internal);
        assert_eq!(kind_of("23505"), Kind::Internal);
        assert_eq!(kind_of("22021"), Kind::Invalid);
        assert_eq!(["13", "53100"].map(trouble), [Some(NO_SPACE); 2]);
        assert_eq!(["8", "264", "25006"].map(trouble), [Some(READ_ONLY); 3]);
        assert_eq!(["10", "57P01", "53300"].map(trouble), [None; 3]);
    }
}
