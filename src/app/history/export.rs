//! Exports: a project's history as a file, at a signed address. However many runs there are, a few are held at once, and the
//! next ones are read when the reader has taken those.

use std::{collections::VecDeque, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::{
    app::{App, access},
    clock,
    error::{Error, Kind, Result},
    files::signature::{Grant, Opens},
    model::{
        export::ExportFormat,
        id::{ProjectId, RunId},
        project::Project,
        run::RunFilter,
        scope::Viewer,
    },
    store::{
        self, Conn,
        export::{Upcoming, runs, upcoming},
    },
};

/// How long an address works. What has begun by then is finished.
const ADDRESS_LIFE: Duration = Duration::from_mins(5);
/// The longest filter in an address, in characters. With the rest, servers on the way take it.
const MAX_FILTER: usize = 7_000;
/// The most runs that are looked for at once.
const RUNS: i64 = 500;
/// How long the texts of the runs are that are held at once, in bytes, unless one alone is longer.
const BYTES: i64 = 256 << 10;

/// An address at which the viewer's browser can load all ended runs of a project that pass the filter.
pub fn export_url(
    app: &App,
    viewer: &Viewer,
    project_id: ProjectId,
    filter: &RunFilter,
    format: ExportFormat,
) -> Result<String> {
    let filter = serde_json::to_vec(&filter.clone().ended()).map_err(Error::internal)?;
    let filter = URL_SAFE_NO_PAD.encode(filter);
    if filter.len() > MAX_FILTER {
        return Err(Error::invalid("The texts of this filter are too long for an address.").at(["filterBy"]));
    }
    let grant = Grant {
        user_id: viewer.user_id(),
        token_id: viewer.token_id(),
        opens: Opens::History { project_id, format, filter },
        expires_at: clock::now() + ADDRESS_LIFE,
    };
    Ok(format!("{}{}", app.rules.public_url, app.signer.address(&grant)))
}

/// An export that an address opens.
pub struct Export {
    app: App,
    grant: Grant,
    viewer: Viewer,
    project: Project,
    filter: RunFilter,
    /// How it is written.
    pub format: ExportFormat,
}

/// Opens the address of an export. What was not made here, or not for this, does not exist; a token that has ended takes its
/// addresses with it.
pub async fn open_export(app: &App, grant: Grant, signature: &str) -> Result<Export> {
    app.signer.check(&grant, signature, clock::now())?;
    let absent = || Error::not_found(grant.opens.noun());
    let Opens::History { project_id, format, filter } = &grant.opens else { return Err(absent()) };
    let filter = URL_SAFE_NO_PAD.decode(filter).map_err(|_| absent())?;
    let filter = serde_json::from_slice(&filter).map_err(|_| absent())?;
    let mut conn = app.store.read().await?;
    let viewer = access::holder(&mut conn, &grant).await?;
    let project = store::project::get(&mut conn, &viewer, *project_id).await?.ok_or_else(absent)?;
    Ok(Export { app: app.clone(), viewer, project, filter, format: *format, grant })
}

impl Export {
    /// The file's name for the one who saves it.
    pub fn file_name(&self) -> String {
        self.format.file_name(&self.project.name, clock::now().date_naive())
    }

    /// The file, newest runs first. A run that ends while it is read is in it or not, and none is in it twice. When the project
    /// or the token goes meanwhile there is an error in place of an end.
    pub fn stream(self) -> impl Stream<Item = Result<Bytes>> {
        let reading = Reading { export: self, begun: false, after: None, upcoming: VecDeque::new() };
        stream::try_unfold(reading, Reading::step)
    }
}

/// Where the reader of an export is.
struct Reading {
    export: Export,
    begun: bool,
    /// The last run that was looked for.
    after: Option<RunId>,
    upcoming: VecDeque<Upcoming>,
}

impl Reading {
    /// The next part of the file.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>> {
        let mut part = Vec::new();
        if !self.begun {
            self.begun = true;
            part = self.export.format.head()?;
        }
        let Export { app, viewer, project, filter, format, .. } = &self.export;
        let mut conn = app.store.read().await?;
        if self.upcoming.is_empty() {
            self.upcoming = upcoming(&mut conn, viewer, (project.id, filter), self.after, RUNS).await?.into();
            self.after = self.upcoming.back().map(|run| run.id).or(self.after);
        }
        let ids = few(&mut self.upcoming);
        let runs = if ids.is_empty() { Vec::new() } else { runs(&mut conn, viewer, project.id, &ids).await? };
        // Looked at afterwards: what stands now stood when the rows were read, and none of them was missing.
        self.export.still_stands(&mut conn).await?;
        drop(conn);
        if runs.len() != ids.len() {
            return Err(Error::internal("runs of an export are not there"));
        }
        part.append(&mut format.write(&runs)?);
        Ok((!part.is_empty()).then(|| (part.into(), self)))
    }
}

impl Export {
    /// Whether its project and its token are still there.
    async fn still_stands(&self, conn: &mut Conn) -> Result<()> {
        access::holder(conn, &self.grant).await?;
        let stands = store::project::get(conn, &self.viewer, self.project.id).await?.is_some();
        if stands { Ok(()) } else { Err(Error::new(Kind::Expired, "The project has been deleted.")) }
    }
}

/// Takes as many as may be held at once, and at least one.
fn few(upcoming: &mut VecDeque<Upcoming>) -> Vec<RunId> {
    let mut ids = Vec::new();
    let mut bytes = 0;
    while let Some(run) = upcoming.pop_front_if(|run| ids.is_empty() || bytes + run.bytes <= BYTES) {
        bytes += run.bytes;
        ids.push(run.id);
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_held_at_once_and_none_is_left_out() {
        let lengths = [1, BYTES - 1, 1, BYTES * 9, BYTES, 0, 0];
        let mut all: VecDeque<_> = lengths.map(|bytes| Upcoming { id: RunId::new(), bytes }).into();
        let ids: Vec<_> = all.iter().map(|run| run.id).collect();
        let parts: Vec<_> = std::iter::from_fn(|| Some(few(&mut all)).filter(|part| !part.is_empty())).collect();
        assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 3]);
        assert_eq!(parts.concat(), ids);
    }
}
