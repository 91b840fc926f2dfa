//! History: what a user's ended runs add up to, and how they are taken away.

pub mod export;

use chrono::TimeDelta;

use super::App;
use crate::{
    error::Result,
    model::{
        history::{AuditDimension, AuditGroup, Past, days, zone},
        scope::Viewer,
    },
    store::history::{self, Common},
};

/// What the ended runs add up to, by day, model or status. Days are those between the bounds of the filter or, where it has
/// none, the first and the last run; none is left out.
pub async fn audit_by(
    app: &App,
    viewer: &Viewer,
    past: &Past,
    dimension: AuditDimension,
    time_zone: &str,
) -> Result<Vec<AuditGroup>> {
    let zone = zone(time_zone)?;
    let mut conn = app.store.read().await?;
    let groups = match dimension {
        AuditDimension::Model => history::audit_by(&mut conn, viewer, past, Common::Model).await?,
        AuditDimension::Status => history::audit_by(&mut conn, viewer, past, Common::Status).await?,
        AuditDimension::Day => {
            let span = history::span(&mut conn, viewer, past).await?;
            let first = past.filter.created_from.or(span.map(|span| span.0));
            let last = past.filter.created_before.map(|before| before - TimeDelta::microseconds(1));
            let Some((first, last)) = first.zip(last.or(span.map(|span| span.1))) else { return Ok(Vec::new()) };
            let days = days(zone, first, last)?;
            let audits = history::audit_by_day(&mut conn, viewer, past, &days).await?;
            days.into_iter().map(|day| day.date.to_string()).zip(audits).collect()
        }
    };
    Ok(groups.into_iter().map(|(key, audit)| AuditGroup { key, audit }).collect())
}
