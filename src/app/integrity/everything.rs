//! The check of everything: each run of each project, and the bytes of all files.

use super::{Budget, Examiner, described};
use crate::{
    error::{Error, Kind, Result},
    files::{Location, examine::Difference},
    model::{
        file::FileArea,
        id::{ProjectId, RunId},
        integrity::{IntegrityFinding, IntegrityFindingKind, IntegrityStatus},
        uint53::UInt53,
    },
    store::integrity::{self, Content, Inspected},
};

/// Rows of one look.
const AT_ONCE: i64 = 200;

/// What was checked up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Projects.
    pub projects: u64,
    /// Runs, whatever came of them.
    pub runs: u64,
    /// Of those, the ones that are sealed and right.
    pub sealed: u64,
    /// Of those, the ones from before there was a seal, in which nothing is wrong.
    pub unsealed: u64,
    /// Events.
    pub events: u64,
    /// Artifacts.
    pub artifacts: u64,
    /// Contents of other files.
    pub files: u64,
    /// What was found to be wrong.
    pub findings: u64,
}

/// A finding, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// In which project.
    pub project: ProjectId,
    /// In which of its runs, and that run's number.
    pub run: Option<(RunId, i64)>,
    /// What it is.
    pub finding: IntegrityFinding,
}

/// What is told on the way.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// Something is wrong.
    Found(&'a Found),
    /// So much more is wrong with the run of which things were told last.
    More(u64),
    /// So much was checked.
    Progress(&'a Tally),
}

/// Who is told.
pub type Listener<'a> = &'a mut (dyn FnMut(Told<'_>) + Send);

impl Examiner {
    /// Checks a project, or all of them, and tells what is wrong as it is found; answers with what was checked. Takes the same memory
    /// however much there is.
    pub async fn everything(&self, only: Option<ProjectId>, listener: Listener<'_>) -> Result<Tally> {
        let mut round = Round { examiner: self, tally: Tally::default(), listener };
        if let Some(only) = only {
            let mut conn = self.store.read().await?;
            let project = integrity::project(&mut conn, &self.inspection, only).await?;
            drop(conn);
            round.project(project.ok_or_else(|| Error::not_found(ProjectId::NOUN))?).await?;
            return Ok(round.tally);
        }
        let mut after = None;
        loop {
            let projects = {
                let mut conn = self.store.read().await?;
                integrity::projects(&mut conn, &self.inspection, after, AT_ONCE).await?
            };
            let Some(last) = projects.last() else { return Ok(round.tally) };
            after = Some(last.id);
            for project in projects {
                round.project(project).await?;
            }
        }
    }

    async fn stands(&self, project: ProjectId) -> Result<bool> {
        let mut conn = self.store.read().await?;
        Ok(integrity::project(&mut conn, &self.inspection, project).await?.is_some())
    }
}

/// A check of projects under way.
struct Round<'a> {
    examiner: &'a Examiner,
    tally: Tally,
    listener: Listener<'a>,
}

impl Round<'_> {
    fn tell(&mut self, project: ProjectId, run: Option<(RunId, i64)>, finding: IntegrityFinding) {
        (self.listener)(Told::Found(&Found { project, run, finding }));
    }

    fn find(&mut self, project: ProjectId, finding: IntegrityFinding) {
        self.tally.findings += 1;
        self.tell(project, None, finding);
    }

    async fn project(&mut self, project: Inspected) -> Result<()> {
        self.runs(&project).await?;
        self.contents(project.id).await?;
        self.tally.projects += 1;
        (self.listener)(Told::Progress(&self.tally));
        Ok(())
    }

    /// Its runs, whose numbers have no gaps up to the last that was taken when this began.
    async fn runs(&mut self, project: &Inspected) -> Result<()> {
        let Examiner { store, inspection, .. } = self.examiner;
        let mut last = 0;
        loop {
            let runs = {
                let mut conn = store.read().await?;
                integrity::runs(&mut conn, inspection, project.id, last, AT_ONCE).await?
            };
            let until = runs.last().map_or(project.last_run_number + 1, |(number, _)| *number);
            let done = runs.is_empty();
            for (number, run) in runs {
                self.missing(project.id, last + 1..number).await?;
                last = number;
                self.run(project.id, run, number).await?;
            }
            if done {
                return self.missing(project.id, last + 1..until).await;
            }
        }
    }

    /// Names runs that should be there.
    async fn missing(&mut self, project: ProjectId, numbers: std::ops::Range<i64>) -> Result<()> {
        if numbers.is_empty() || !self.examiner.stands(project).await? {
            return Ok(());
        }
        let message = match (numbers.start, numbers.end - 1) {
            (first, last) if first == last => format!("Run {first} of the project is missing."),
            (first, last) => format!("Runs {first} to {last} of the project are missing."),
        };
        self.find(project, IntegrityFinding::new(IntegrityFindingKind::RunMissing, message));
        Ok(())
    }

    async fn run(&mut self, project: ProjectId, id: RunId, number: i64) -> Result<()> {
        let place = Some((id, number));
        self.tally.runs += 1;
        let checked = match self.examiner.run(id, Budget::UNLIMITED).await {
            // What is stored is not what any server has written, or a byte of it cannot be read. The others can.
            Err(error) if matches!(error.kind(), Kind::Internal | Kind::Unavailable) => {
                let message = format!("The run cannot be read: {}.", cause(&error));
                self.tally.findings += 1;
                self.tell(project, place, IntegrityFinding::new(IntegrityFindingKind::RunChanged, message));
                None
            }
            checked => checked?,
        };
        if let Some(checked) = checked {
            self.tally.sealed += u64::from(checked.status == IntegrityStatus::Sealed);
            self.tally.unsealed += u64::from(checked.status == IntegrityStatus::Unsealed);
            self.tally.events += checked.events_checked.as_u64();
            self.tally.artifacts += checked.artifacts_checked.as_u64();
            self.tally.findings += checked.finding_count.as_u64();
            let told = UInt53::from(checked.findings.len());
            for finding in checked.findings {
                self.tell(project, place, finding);
            }
            if checked.finding_count > told {
                (self.listener)(Told::More(checked.finding_count.as_u64() - told.as_u64()));
            }
        }
        (self.listener)(Told::Progress(&self.tally));
        Ok(())
    }

    /// The bytes of its files, present and past, as long as a row names them.
    async fn contents(&mut self, project: ProjectId) -> Result<()> {
        let Examiner { store, inspection, .. } = self.examiner;
        let mut after = None;
        loop {
            let contents = {
                let mut conn = store.read().await?;
                integrity::contents(&mut conn, inspection, project, after, AT_ONCE).await?
            };
            let Some(last) = contents.last() else { return Ok(()) };
            after = Some(last.version.version_id);
            for content in &contents {
                self.content(project, content).await?;
            }
        }
    }

    async fn content(&mut self, project: ProjectId, content: &Content) -> Result<()> {
        let Examiner { store, files, inspection } = self.examiner;
        let Content { area, version } = content;
        let difference = match files.examine(&Location { project_id: project, area: *area, version }).await {
            Ok(difference) => difference,
            Err(error) => {
                let message = format!("The content {} cannot be read: {}.", version.version_id, cause(&error));
                self.find(project, IntegrityFinding::new(IntegrityFindingKind::FileMissing, message));
                None
            }
        };
        if let Some(difference) = difference {
            let place = integrity::place(&mut store.read().await?, inspection, version.version_id).await?;
            // Rows go before their bytes: a content that the reaper has just taken is not missed.
            if let Some(path) = place {
                let kind = match difference {
                    Difference::Missing => IntegrityFindingKind::FileMissing,
                    Difference::Size(_) | Difference::Hash(_) => IntegrityFindingKind::FileChanged,
                };
                let what = named(*area, path.as_deref(), &version.object_name);
                let message = described(&format!("{what} ({})", version.version_id), version, &difference);
                self.find(project, IntegrityFinding::new(kind, message));
            }
        }
        self.tally.files += 1;
        (self.listener)(Told::Progress(&self.tally));
        Ok(())
    }
}

/// A content in the words of a person.
fn named(area: FileArea, path: Option<&str>, object_name: &str) -> String {
    match path {
        Some(path) => format!("The file {}/{path}", area.prefix()),
        None => format!("A former content of {} named {object_name}", area.prefix()),
    }
}

/// Why something cannot be read, for whoever runs the server.
fn cause(error: &Error) -> String {
    error.cause().map_or_else(|| error.to_string(), ToString::to_string)
}
