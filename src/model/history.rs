//! History: what runs that have ended add up to.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::{id::ProjectId, run::RunFilter, uint53::UInt53};
use crate::error::{Error, Result};

/// Which of a user's ended runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Past {
    /// In which project; all of the user's, when none is named.
    pub project_id: Option<ProjectId>,
    /// Of those, which.
    pub filter: RunFilter,
}

/// What a set of ended runs adds up to.
#[derive(Clone, Debug, Default, PartialEq, SimpleObject)]
#[graphql(complex)]
pub struct Audit {
    /// How many runs.
    pub run_count: UInt53,
    /// How many of them completed.
    pub completed: UInt53,
    /// How many of them failed.
    pub failed: UInt53,
    /// How many of them were cancelled.
    pub cancelled: UInt53,
    /// Tokens that models read.
    pub input_tokens: UInt53,
    /// Tokens that models wrote.
    pub output_tokens: UInt53,
    /// Deliverables that the runs saved.
    pub artifact_count: UInt53,
    /// How long they took.
    #[graphql(skip)]
    pub duration: DurationStats,
}

/// How long runs took, in milliseconds from the first start to the end. Exact. A run that was cancelled before it started
/// took no time and does not count; where none counts, all are null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, SimpleObject)]
pub struct DurationStats {
    /// Half of the runs took no longer.
    pub p50: Option<UInt53>,
    /// 95 of 100 took no longer.
    pub p95: Option<UInt53>,
    /// 99 of 100 took no longer.
    pub p99: Option<UInt53>,
    /// The longest.
    pub max: Option<UInt53>,
    /// The mean, rounded down.
    pub mean: Option<UInt53>,
}

impl DurationStats {
    /// Of durations in any order. A percentile is the nearest rank: one of the durations, never a value between two.
    pub fn of(mut durations: Vec<u64>) -> Self {
        durations.sort_unstable();
        let count = durations.len();
        let nearest = |percent: usize| {
            let rank = (count * percent).div_ceil(100);
            rank.checked_sub(1).and_then(|at| durations.get(at)).copied().map(UInt53::from)
        };
        let sum: u128 = durations.iter().copied().map(u128::from).sum();
        let mean = u128::try_from(count).ok().and_then(|count| sum.checked_div(count));
        Self {
            p50: nearest(50),
            p95: nearest(95),
            p99: nearest(99),
            max: nearest(100),
            mean: mean.and_then(|mean| u64::try_from(mean).ok()).map(UInt53::from),
        }
    }
}

/// What the runs of a history can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum AuditDimension {
    /// The day on which they were asked for, in the time zone of the question.
    Day,
    /// The model that the agent was given.
    Model,
    /// How they ended.
    Status,
}

/// What one group of ended runs adds up to.
#[derive(Clone, Debug, PartialEq, SimpleObject)]
#[graphql(complex)]
pub struct AuditGroup {
    /// What the runs of the group have in common: a day as in `2026-11-23`, a model's name, or a status as in `RunStatus`.
    pub key: String,
    /// What they add up to.
    #[graphql(skip)]
    pub audit: Audit,
}

/// The most days into which a history is divided.
pub const MAX_DAYS: usize = 400;

/// A day of a time zone: its date, and when it began and ended. It need not have 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// What the calendar calls it.
    pub date: NaiveDate,
    /// Its first moment.
    pub since: DateTime<Utc>,
    /// The first moment after it.
    pub until: DateTime<Utc>,
}

/// The time zone of this name.
pub fn zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| {
        Error::invalid("A time zone goes by its IANA name, as in `Europe/Berlin` or `UTC`.").at(["timeZone"])
    })
}

/// All days from the one of `first` to the one of `last`; none when `last` is before `first`.
pub fn days(zone: Tz, first: DateTime<Utc>, last: DateTime<Utc>) -> Result<Vec<Day>> {
    if last < first {
        return Ok(Vec::new());
    }
    let (first, last) = (first.with_timezone(&zone).date_naive(), last.with_timezone(&zone).date_naive());
    let count = usize::try_from((last - first).num_days()).unwrap_or_default() + 1;
    if count > MAX_DAYS {
        return Err(Error::invalid(format!(
            "These are {count} days; at most {MAX_DAYS} are answered. Narrow `createdFrom` and `createdBefore`."
        ))
        .at(["dimension"]));
    }
    let mut days = Vec::with_capacity(count);
    let mut date = first;
    let mut since = begin(zone, date);
    while days.len() < count {
        let Some(next) = date.checked_add_days(Days::new(1)) else { break };
        let until = begin(zone, next);
        days.push(Day { date, since, until });
        (date, since) = (next, until);
    }
    Ok(days)
}

/// When a day begins. Where clocks are put forward at midnight it begins later, and where a whole day is left out it begins
/// and ends with the next one.
fn begin(zone: Tz, date: NaiveDate) -> DateTime<Utc> {
    let midnight = date.and_time(NaiveTime::MIN);
    let mut times = (0..=4 * 26).map(|quarters| midnight + TimeDelta::minutes(15 * quarters));
    let first = times.find_map(|time| zone.from_local_datetime(&time).earliest());
    first.map_or_else(|| midnight.and_utc(), |first| first.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn lengths(name: &str, first: &str, last: &str) -> Vec<(String, i64)> {
        let days = days(zone(name).expect("a zone"), at(first), at(last)).expect("days");
        assert!(days.windows(2).all(|pair| pair[0].until == pair[1].since), "no gap, no overlap");
        days.into_iter().map(|day| (day.date.to_string(), (day.until - day.since).num_minutes())).collect()
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let stats = |durations: Vec<u64>| {
            let stats = DurationStats::of(durations);
            [stats.p50, stats.p95, stats.p99, stats.max, stats.mean].map(|value| value.map(UInt53::as_u64))
        };
        assert_eq!(stats(vec![]), [None; 5]);
        assert_eq!(stats(vec![7]), [Some(7); 5]);
        assert_eq!(stats(vec![4, 1, 3, 2]), [2, 4, 4, 4, 2].map(Some));
        assert_eq!(stats((1..=200).rev().collect()), [100, 190, 198, 200, 100].map(Some));
        assert_eq!(stats(vec![UInt53::MAX; 3000])[4], Some(UInt53::MAX));
    }

    #[test]
    fn a_day_is_as_long_as_its_clocks_say() {
        let day = |date: &str, minutes| (date.to_owned(), minutes);
        let spring = lengths("Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        assert_eq!(spring, [day("2026-03-28", 1440), day("2026-03-29", 1380), day("2026-03-30", 1440)]);
        let autumn = lengths("Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-25T13:00:00Z");
        assert_eq!(autumn, [day("2026-10-25", 1500)]);
        // Half an hour of summer time, on top of ten and a half hours from UTC.
        assert_eq!(
            lengths("Australia/Lord_Howe", "2026-10-03T20:00:00Z", "2026-10-03T20:00:00Z"),
            [day("2026-10-04", 1410)]
        );
        // Clocks go from midnight to one.
        assert_eq!(
            lengths("America/Havana", "2026-03-08T12:00:00Z", "2026-03-08T12:00:00Z"),
            [day("2026-03-08", 1380)]
        );
        // The day that Samoa left out.
        let samoa = lengths("Pacific/Apia", "2011-12-30T09:00:00Z", "2011-12-30T11:00:00Z");
        assert_eq!(samoa, [day("2011-12-29", 1440), day("2011-12-30", 0), day("2011-12-31", 1440)]);
    }

    #[test]
    fn days_have_an_end_and_zones_a_name() {
        let utc = zone("UTC").expect("a zone");
        assert_eq!(days(utc, at("2026-01-01T00:00:00Z"), at("2025-12-31T00:00:00Z")).expect("none"), []);
        assert_eq!(days(utc, at("2026-01-01T00:00:00Z"), at("2027-02-04T23:59:59Z")).expect("days").len(), MAX_DAYS);
        assert!(days(utc, at("2026-01-01T00:00:00Z"), at("2027-02-05T00:00:00Z")).is_err());
        for bad in ["", "Berlin", "UTC+1", "Europe/Berlin ", "\0"] {
            assert!(zone(bad).is_err(), "{bad:?}");
        }
    }
}
