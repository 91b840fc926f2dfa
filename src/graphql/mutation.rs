//! The mutation root. Each takes one `input` and answers with a payload: what came of it, and what the caller can mend.

use std::time::Duration;

use async_graphql::{Context, Object, Result};

use super::{
    access::Access,
    input::{
        CancelRunInput, CancelRunPayload, CopyFileInput, CopyFilePayload, CreateProjectInput, CreateProjectPayload,
        DeleteFilesInput, DeleteFilesPayload, DeleteResult, MoveFileInput, MoveFilePayload, OpenProjectInput,
        OpenProjectPayload, RerunInput, RerunPayload, RevokeSessionInput, RevokeSessionPayload, StartRunInput,
        StartRunPayload, UpdateProjectInput, UpdateProjectPayload, UploadFilesInput, UploadFilesPayload, UploadResult,
        WriteFileInput, WriteFilePayload,
        end::{
            AdminRevokeSessionInput, AdminRevokeSessionPayload, DeleteProjectInput, DeleteProjectPayload, LogoutPayload,
        },
        worker::{
            AppendRunEventsInput, AppendRunEventsPayload, ClaimRunInput, ClaimRunPayload, FinishRunInput,
            FinishRunPayload, Lease, RenewLeaseInput, RenewLeasePayload,
        },
    },
    object::{Obj, Rows},
    user_error::settle,
};
use crate::{
    app::{
        admin,
        file::{arrange, bring},
        outside, project, run, session,
    },
    error::{Error, Kind},
    files::stage::Staged,
    model::uint53::UInt53,
};

/// Changing.
pub struct Mutation;

/// Changing. Each mutation takes one `input`, unless it needs none, and answers with a payload; its `userErrors` say what the caller can mend.
#[Object]
impl Mutation {
    /// Creates a project.
    async fn create_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The project.")] input: CreateProjectInput,
    ) -> Result<Obj<CreateProjectPayload>> {
        let CreateProjectInput { name, description, labels, idempotency_key } = input;
        let new = project::CreateProject { name, description, labels };
        let (project, user_errors) = settle(project::create(ctx.app()?, ctx.actor()?, new, idempotency_key).await)?;
        Ok(Obj(CreateProjectPayload { project: project.map(Obj), user_errors }))
    }

    /// Changes a project's name, description or labels.
    async fn update_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateProjectInput,
    ) -> Result<Obj<UpdateProjectPayload>> {
        let UpdateProjectInput { project_id, version, name, description, labels } = input;
        let change = project::UpdateProject { project_id, version: version.as_u64(), name, description, labels };
        let (project, user_errors) = settle(project::update(ctx.app()?, ctx.actor()?, change).await)?;
        Ok(Obj(UpdateProjectPayload { project: project.map(Obj), user_errors }))
    }

    /// Opens a project: attaches its active workspace session or provisions a new one.
    async fn open_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: OpenProjectInput,
    ) -> Result<Obj<OpenProjectPayload>> {
        let ttl = input.ttl_seconds.map(UInt53::as_u64);
        let opened = session::open_project(ctx.app()?, ctx.actor()?, input.project_id, ttl).await;
        let (opened, user_errors) = settle(opened)?;
        let provisioned = opened.as_ref().is_some_and(|opened| opened.provisioned);
        let (project, session) = opened.map(|opened| (Obj(opened.project), Obj(opened.session))).unzip();
        Ok(Obj(OpenProjectPayload { session, provisioned, project, user_errors }))
    }

    /// Ends a workspace session now and cancels its runs. Ending one that has ended is harmless.
    async fn revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session.")] input: RevokeSessionInput,
    ) -> Result<Obj<RevokeSessionPayload>> {
        let (session, user_errors) = settle(session::revoke(ctx.app()?, ctx.actor()?, input.session_id).await)?;
        Ok(Obj(RevokeSessionPayload { session: session.map(Obj), user_errors }))
    }

    /// Starts a run: it is queued, and executed when its turn comes.
    async fn start_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do.")] input: StartRunInput,
    ) -> Result<Obj<StartRunPayload>> {
        let StartRunInput { project_id, prompt, files, agent, model, if_busy, idempotency_key } = input;
        let start = run::StartRun { project_id, prompt, files: files.unwrap_or_default(), agent, model, if_busy };
        let (started, user_errors) = settle(run::start(ctx.app()?, ctx.actor()?, start, idempotency_key).await)?;
        Ok(Obj(StartRunPayload { run: started.map(|started| Obj(started.run)), user_errors }))
    }

    /// Makes a new run of one that there is: the same prompt or another. Files that the run was given are given again with the
    /// same contents; a run that was given none reads the drive as it is now.
    async fn rerun(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run.")] input: RerunInput,
    ) -> Result<Obj<RerunPayload>> {
        let RerunInput { run_id, prompt, if_busy, idempotency_key } = input;
        let again = run::Rerun { run_id, prompt, if_busy };
        let (started, user_errors) = settle(run::rerun(ctx.app()?, ctx.actor()?, again, idempotency_key).await)?;
        Ok(Obj(RerunPayload { run: started.map(|started| Obj(started.run)), user_errors }))
    }

    /// Cancels a run: a queued one at once, a running one within a second. Cancelling one that has ended is harmless.
    async fn cancel_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run.")] input: CancelRunInput,
    ) -> Result<Obj<CancelRunPayload>> {
        let (run, user_errors) = settle(run::cancel(ctx.app()?, ctx.actor()?, input.run_id).await)?;
        Ok(Obj(CancelRunPayload { run: run.map(Obj), user_errors }))
    }

    /// Uploads files into a project's drive. Each has its own result: one that is refused does not hold up the others.
    async fn upload_files(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The files.")] input: UploadFilesInput,
    ) -> Result<Obj<UploadFilesPayload>> {
        let app = ctx.app()?;
        let UploadFilesInput { project_id, files, directory, if_exists, idempotency_key } = input;
        let asked = bring::UploadFiles { project_id, directory, if_exists, idempotency_key };
        let (to, user_errors) = settle(bring::destination(app, ctx.actor()?, asked, files.len()).await)?;
        let Some(to) = to else {
            return Ok(Obj(UploadFilesPayload { results: Rows(Vec::new()), user_errors }));
        };
        // All of them are asked for before the first is kept, so that a wrong request keeps nothing.
        let staged = files.iter().map(|file| file.take(ctx)).collect::<Result<Vec<Result<Staged, Error>>>>()?;
        let mut results = Vec::with_capacity(staged.len());
        for (index, staged) in staged.into_iter().enumerate() {
            let uploaded = match staged {
                Ok(staged) => bring::upload(app, &to, index, &staged).await,
                Err(error) => Err(error),
            };
            let uploaded = uploaded.map_err(|error| match error.kind() {
                Kind::Invalid | Kind::Conflict if error.path().is_empty() => {
                    error.at(["input".to_owned(), "files".into(), index.to_string()])
                }
                _ => error,
            });
            results.push(UploadResult(uploaded));
        }
        Ok(Obj(UploadFilesPayload { results: Rows(results), user_errors }))
    }

    /// Writes a text into a file of the drive or the workspace: a new one, or in place of what stood there.
    async fn write_file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file.")] input: WriteFileInput,
    ) -> Result<Obj<WriteFilePayload>> {
        let WriteFileInput { project_id, area, path, text, media_type, expected_sha256, if_exists, idempotency_key } =
            input;
        let write = bring::WriteFile { project_id, area, path, text, media_type, expected_sha256, if_exists };
        let (file, user_errors) = settle(bring::write(ctx.app()?, ctx.actor()?, write, idempotency_key).await)?;
        Ok(Obj(WriteFilePayload { file: file.map(Obj), user_errors }))
    }

    /// Copies a file or an artifact into the drive of one of the viewer's projects.
    async fn copy_file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and to where.")] input: CopyFileInput,
    ) -> Result<Obj<CopyFilePayload>> {
        let CopyFileInput { source_id, project_id, path, if_exists, idempotency_key } = input;
        let copy = bring::CopyFile { source_id, project_id, path, if_exists };
        let (file, user_errors) = settle(bring::copy(ctx.app()?, ctx.actor()?, copy, idempotency_key).await)?;
        Ok(Obj(CopyFilePayload { file: file.map(Obj), user_errors }))
    }

    /// Moves a file or a whole directory to another path of its area. What was read from a file before stays as it was.
    async fn move_file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What, and to where.")] input: MoveFileInput,
    ) -> Result<Obj<MoveFilePayload>> {
        let MoveFileInput { project_id, area, path, to, recursive } = input;
        let asked = arrange::MoveFile { project_id, area, path, to, recursive };
        let (moved, user_errors) = settle(arrange::move_file(ctx.app()?, ctx.actor()?, asked).await)?;
        let moved_count = UInt53::from(moved.as_ref().map_or(0, |moved| moved.count));
        Ok(Obj(MoveFilePayload { entry: moved.map(|moved| Obj(moved.entry.into())), moved_count, user_errors }))
    }

    /// Deletes files of the drive or the workspace, each with its own result. What runs were given and what they saved stays.
    async fn delete_files(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which files.")] input: DeleteFilesInput,
    ) -> Result<Obj<DeleteFilesPayload>> {
        let DeleteFilesInput { project_id, area, paths, recursive } = input;
        let asked = arrange::DeleteFiles { project_id, area, paths, recursive };
        let (deleted, user_errors) = settle(arrange::delete(ctx.app()?, ctx.actor()?, asked).await)?;
        let result = |(path, deleted)| {
            let (count, user_errors) = settle(deleted)?;
            Ok(DeleteResult { path, deleted_count: UInt53::from(count.unwrap_or(0)), user_errors })
        };
        let results = deleted.unwrap_or_default().into_iter().map(result).collect::<Result<_>>()?;
        Ok(Obj(DeleteFilesPayload { results, user_errors }))
    }

    /// Deletes a project with everything in it, for ever. It is gone at once, with its session and its runs.
    async fn delete_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: DeleteProjectInput,
    ) -> Result<Obj<DeleteProjectPayload>> {
        let (deleted_project_id, user_errors) =
            settle(project::delete(ctx.app()?, ctx.actor()?, input.project_id).await)?;
        Ok(Obj(DeleteProjectPayload { deleted_project_id, user_errors }))
    }

    /// Ends all active workspace sessions of the viewer's, cancels their runs, and revokes the token that was presented.
    async fn logout(&self, ctx: &Context<'_>) -> Result<Obj<LogoutPayload>> {
        let (ended, user_errors) = settle(session::logout(ctx.app()?, ctx.actor()?).await)?;
        Ok(Obj(LogoutPayload { revoked_sessions: ended.unwrap_or_default().into(), user_errors }))
    }

    /// For admins: ends anybody's workspace session now, cancels its runs, and keeps who did so and why. Anybody else is refused.
    /// Ending one that has ended is harmless.
    async fn admin_revoke_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which session, and why.")] input: AdminRevokeSessionInput,
    ) -> Result<Obj<AdminRevokeSessionPayload>> {
        let AdminRevokeSessionInput { session_id, reason } = input;
        let revoked = admin::revoke_session(ctx.app()?, ctx.actor()?, session_id, &reason).await;
        let (session, user_errors) = settle(revoked)?;
        Ok(Obj(AdminRevokeSessionPayload { session: session.map(Obj), user_errors }))
    }

    /// For workers that live elsewhere, by a worker's token: claims a run of the token's user for an agent that the worker serves,
    /// and waits for one if there is none. First come runs that another worker left, then the queue. Whoever does not renew the
    /// lease in time loses the run to the next who claims.
    async fn claim_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who claims, and for which agents.")] input: ClaimRunInput,
    ) -> Result<Obj<ClaimRunPayload>> {
        let ClaimRunInput { agents, worker, wait_seconds } = input;
        let claim = outside::Claim { agents, worker, wait: Duration::from_secs(wait_seconds.as_u64()) };
        let (held, user_errors) = settle(outside::claim(ctx.app()?, ctx.worker()?, claim).await)?;
        let (lease, run) = held.flatten().map(|held| (Obj(Lease::from(&held)), Obj(held.run))).unzip();
        Ok(Obj(ClaimRunPayload { run, lease, user_errors }))
    }

    /// For the holder of a lease: appends to the run's timeline, all of the events or none. It answers when they are kept.
    async fn append_run_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What happened.")] input: AppendRunEventsInput,
    ) -> Result<Obj<AppendRunEventsPayload>> {
        let append = outside::AppendEvents {
            lease_token: input.lease_token.0,
            expected_sequence: input.expected_sequence.as_u64(),
            events: input.events.into_iter().map(Into::into).collect(),
        };
        let (appended, user_errors) = settle(outside::append(ctx.app()?, ctx.worker()?, append).await)?;
        let (last_sequence, run) = appended.map(|done| (done.last_sequence.into(), done.run.map(Obj))).unzip();
        Ok(Obj(AppendRunEventsPayload { last_sequence, run: run.flatten(), user_errors }))
    }

    /// For the holder of a lease: keeps the run for as long again, and tells whether it is to stop.
    async fn renew_lease(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which lease.")] input: RenewLeaseInput,
    ) -> Result<Obj<RenewLeasePayload>> {
        let (held, user_errors) = settle(outside::renew(ctx.app()?, ctx.worker()?, &input.lease_token).await)?;
        let (lease, run) = held.map(|held| (Obj(Lease::from(&held)), Obj(held.run))).unzip();
        Ok(Obj(RenewLeasePayload { lease, run, user_errors }))
    }

    /// For the holder of a lease: ends the run. Repeating a call whose answer was lost is harmless.
    async fn finish_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run ends, and how.")] input: FinishRunInput,
    ) -> Result<Obj<FinishRunPayload>> {
        let FinishRunInput { lease_token, outcome } = input;
        let (app, worker) = (ctx.app()?, ctx.worker()?);
        let finished = async { outside::finish(app, worker, &lease_token, outcome.try_into()?).await };
        let (run, user_errors) = settle(finished.await)?;
        Ok(Obj(FinishRunPayload { run: run.map(Obj), user_errors }))
    }
}
