//! A schema with the fields that the audits name, and a gate with tokens for each case.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{Context, ID, InputObject, Object, Schema, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::watch;
use workroom::{
    error::{Error, Kind, Result},
    graphql::upload::Upload,
    http::graphql::gate::{Admission, Ended, Gate, UploadPart},
};

pub type AuditSchema = Schema<Query, Mutation, Subscriptions>;

pub fn schema() -> AuditSchema {
    Schema::build(Query("something"), Mutation, Subscriptions)
        .limit_depth(16)
        .limit_complexity(1000)
        .disable_suggestions()
        .finish()
}

/// Lets everybody in but the token `bad`, and with `strict` only those who have a token.
#[derive(Clone)]
pub struct AuditGate {
    pub strict: bool,
    /// Ends every token at once.
    pub end: Arc<watch::Sender<Option<Ended>>>,
    /// What happened behind the gate.
    pub counts: Arc<Counts>,
}

#[derive(Default)]
pub struct Counts {
    /// Results that `flood` has made.
    pub flooded: AtomicUsize,
    /// Streams and slow fields that are alive.
    pub alive: AtomicUsize,
    /// Bytes that were staged.
    pub staged: AtomicUsize,
}

impl Default for AuditGate {
    fn default() -> Self {
        Self { strict: false, end: Arc::new(watch::channel(None).0), counts: Arc::default() }
    }
}

/// What the gate keeps of a file.
pub struct Kept {
    name: String,
    media_type: String,
    size: usize,
}

impl Gate for AuditGate {
    type Staged = Kept;

    async fn admit(&self, token: Option<&str>) -> Result<Admission> {
        match token {
            Some("bad") => return Err(Error::new(Kind::Unauthenticated, "The token is not known.")),
            Some("away") => return Err(Error::unavailable("the database is away")),
            Some("denied") => return Err(Error::new(Kind::Denied, "The token may not be used here.")),
            None if self.strict => return Err(Error::new(Kind::Unauthenticated, "A token is needed.")),
            _ => {}
        }
        let counts = Arc::clone(&self.counts);
        let viewer = Viewer(token.unwrap_or("nobody").to_owned());
        Ok(Admission {
            prepare: Arc::new(move |request| request.data(Arc::clone(&counts)).data(viewer.clone())),
            ended: self.end.subscribe(),
        })
    }

    async fn stage(&self, mut part: UploadPart<'_>) -> Result<Kept> {
        let name = part.file_name().unwrap_or_default();
        // What comes before the last separator is somebody else's folder.
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        let media_type = part.media_type().unwrap_or_default().to_owned();
        if media_type == "application/x-msdownload" {
            return Err(Error::invalid("Programs are not taken."));
        }
        let mut size = 0;
        while let Some(bytes) = part.chunk().await? {
            size += bytes.len();
            self.counts.staged.fetch_add(bytes.len(), Ordering::SeqCst);
        }
        Ok(Kept { name, media_type, size })
    }
}

#[derive(Clone)]
struct Viewer(String);

/// Counts itself among the living until dropped.
struct Alive(Arc<Counts>);

impl Alive {
    fn new(ctx: &Context<'_>) -> async_graphql::Result<Self> {
        let counts = Arc::clone(ctx.data::<Arc<Counts>>()?);
        counts.alive.fetch_add(1, Ordering::SeqCst);
        Ok(Self(counts))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The root. What it holds is there for `panics` to find wrong.
pub struct Query(&'static str);

#[Object]
impl Query {
    async fn viewer(&self, ctx: &Context<'_>) -> async_graphql::Result<String> {
        Ok(ctx.data::<Viewer>()?.0.clone())
    }

    async fn fails(&self) -> async_graphql::Result<Option<i32>> {
        Err(std::io::Error::other("cannot open /etc/shadow: secret").into())
    }

    async fn refuses(&self) -> async_graphql::Result<Option<i32>> {
        Err(Error::not_found("run").into())
    }

    async fn panics(&self) -> Option<i32> {
        assert!(self.0.is_empty(), "resolver panic with a secret");
        None
    }

    async fn sleeps(&self, ctx: &Context<'_>, ms: u64) -> async_graphql::Result<bool> {
        let _alive = Alive::new(ctx)?;
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok(true)
    }

    #[graphql(complexity = "page(first) * child_complexity")]
    async fn projects(&self, first: Option<i32>) -> Result<Projects> {
        checked(first).map(|first| Projects { nodes: (0..first).map(Project).collect() })
    }
}

/// What a page costs: what was asked for, or the default.
fn page(first: Option<i32>) -> usize {
    usize::try_from(first.unwrap_or(20)).unwrap_or(1)
}

fn checked(first: Option<i32>) -> Result<i32> {
    let first = first.unwrap_or(20);
    if (1..=100).contains(&first) { Ok(first) } else { Err(Error::invalid("`first` must be from 1 to 100.")) }
}

#[derive(SimpleObject)]
pub struct Projects {
    nodes: Vec<Project>,
}

pub struct Project(i32);

#[Object]
impl Project {
    async fn id(&self) -> ID {
        self.0.into()
    }

    async fn parent(&self) -> Option<Project> {
        (self.0 > 0).then(|| Project(self.0 - 1))
    }

    #[graphql(complexity = "page(first) * child_complexity")]
    async fn runs(&self, first: Option<i32>) -> Result<Runs> {
        checked(first).map(|first| Runs { nodes: (0..first).map(|id| Run { id: id.into() }).collect() })
    }
}

#[derive(SimpleObject)]
pub struct Runs {
    nodes: Vec<Run>,
}

#[derive(SimpleObject)]
pub struct Run {
    id: ID,
}

pub struct Mutation;

#[derive(InputObject)]
pub struct CreateProjectInput {
    name: String,
    client_mutation_id: Option<String>,
}

#[derive(SimpleObject)]
pub struct CreateProjectPayload {
    name: String,
    client_mutation_id: Option<String>,
}

/// One file of a mutation: what it is, or why it was not taken.
#[derive(SimpleObject)]
pub struct Uploaded {
    size: Option<usize>,
    filename: Option<String>,
    content_type: Option<String>,
    error: Option<String>,
}

impl From<Result<Kept>> for Uploaded {
    fn from(kept: Result<Kept>) -> Self {
        match kept {
            Ok(Kept { name, media_type, size }) => {
                Self { size: Some(size), filename: Some(name), content_type: Some(media_type), error: None }
            }
            Err(error) => Self { size: None, filename: None, content_type: None, error: Some(error.to_string()) },
        }
    }
}

#[Object]
impl Mutation {
    async fn create_project(&self, input: CreateProjectInput) -> CreateProjectPayload {
        CreateProjectPayload { name: input.name, client_mutation_id: input.client_mutation_id }
    }

    async fn upload_file(&self, ctx: &Context<'_>, file: Upload) -> async_graphql::Result<Uploaded> {
        Ok(Ok(file.take::<Kept>(ctx)??).into())
    }

    async fn upload_files(&self, ctx: &Context<'_>, files: Vec<Upload>) -> async_graphql::Result<Vec<Uploaded>> {
        files.iter().map(|file| Ok(file.take::<Kept>(ctx)?.into())).collect()
    }
}

pub struct Subscriptions;

#[derive(SimpleObject)]
pub struct Count {
    n: i32,
}

type Counting = Pin<Box<dyn Stream<Item = Count> + Send>>;

#[Subscription]
impl Subscriptions {
    async fn counter(
        &self,
        ctx: &Context<'_>,
        to: i32,
        every_ms: Option<u64>,
    ) -> async_graphql::Result<impl Stream<Item = Count> + use<>> {
        let alive = Alive::new(ctx)?;
        let pause = Duration::from_millis(every_ms.unwrap_or(1));
        Ok(stream::unfold((1, alive), move |(n, alive)| async move {
            if n > to {
                return None;
            }
            tokio::time::sleep(pause).await;
            Some((Count { n }, (n + 1, alive)))
        }))
    }

    /// Strings of this many bytes, as fast as they are taken.
    async fn flood(
        &self,
        ctx: &Context<'_>,
        bytes: usize,
    ) -> async_graphql::Result<impl Stream<Item = String> + use<>> {
        let alive = Alive::new(ctx)?;
        Ok(stream::repeat_with(move || {
            alive.0.flooded.fetch_add(1, Ordering::SeqCst);
            "x".repeat(bytes)
        }))
    }

    async fn sub_fails(&self) -> async_graphql::Result<Counting> {
        Err(std::io::Error::other("cannot open /etc/shadow: secret").into())
    }

    async fn sub_panics(&self) -> Counting {
        stream::iter([1, 2])
            .map(|n| {
                assert!(n < 2, "stream panic with a secret");
                Count { n }
            })
            .boxed()
    }
}
