//! The mutation root. Each takes one `input` and answers with a payload: what came of it, and what the caller can mend.

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
    },
    object::{Obj, Rows},
    user_error::settle,
};
use crate::{
    app::{
        admin,
        file::{arrange, bring},
        project, run, session,
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
        let (project, user_errors) = settle(project::create(ctx.app()?, ctx.viewer()?, new, idempotency_key).await)?;
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
        let (project, user_errors) = settle(project::update(ctx.app()?, ctx.viewer()?, change).await)?;
        Ok(Obj(UpdateProjectPayload { project: project.map(Obj), user_errors }))
    }

    /// Opens a project: attaches its active workspace session or provisions a new one.
    async fn open_project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] input: OpenProjectInput,
    ) -> Result<Obj<OpenProjectPayload>> {
        let ttl = input.ttl_seconds.map(UInt53::as_u64);
        let opened = session::open_project(ctx.app()?, ctx.viewer()?, input.project_id, ttl).await;
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
        let (session, user_errors) = settle(session::revoke(ctx.app()?, ctx.viewer()?, input.session_id).await)?;
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
        let (started, user_errors) = settle(run::start(ctx.app()?, ctx.viewer()?, start, idempotency_key).await)?;
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
        let (started, user_errors) = settle(run::rerun(ctx.app()?, ctx.viewer()?, again, idempotency_key).await)?;
        Ok(Obj(RerunPayload { run: started.map(|started| Obj(started.run)), user_errors }))
    }

    /// Cancels a run: a queued one at once, a running one within a second. Cancelling one that has ended is harmless.
    async fn cancel_run(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run.")] input: CancelRunInput,
    ) -> Result<Obj<CancelRunPayload>> {
        let (run, user_errors) = settle(run::cancel(ctx.app()?, ctx.viewer()?, input.run_id).await)?;
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
        let (to, user_errors) = settle(bring::destination(app, ctx.viewer()?, asked, files.len()).await)?;
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
        let (file, user_errors) = settle(bring::write(ctx.app()?, ctx.viewer()?, write, idempotency_key).await)?;
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
        let (file, user_errors) = settle(bring::copy(ctx.app()?, ctx.viewer()?, copy, idempotency_key).await)?;
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
        let (moved, user_errors) = settle(arrange::move_file(ctx.app()?, ctx.viewer()?, asked).await)?;
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
        let (deleted, user_errors) = settle(arrange::delete(ctx.app()?, ctx.viewer()?, asked).await)?;
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
            settle(project::delete(ctx.app()?, ctx.viewer()?, input.project_id).await)?;
        Ok(Obj(DeleteProjectPayload { deleted_project_id, user_errors }))
    }

    /// Ends all active workspace sessions of the viewer's, cancels their runs, and revokes the token that was presented.
    async fn logout(&self, ctx: &Context<'_>) -> Result<Obj<LogoutPayload>> {
        let (ended, user_errors) = settle(session::logout(ctx.app()?, ctx.viewer()?).await)?;
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
        let revoked = admin::revoke_session(ctx.app()?, ctx.viewer()?, session_id, &reason).await;
        let (session, user_errors) = settle(revoked)?;
        Ok(Obj(AdminRevokeSessionPayload { session: session.map(Obj), user_errors }))
    }
}
