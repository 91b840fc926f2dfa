-- Directories, and the reaper of contents that nothing names.
-- The SQLite file of the same number says the same; keep them side by side.

-- Since when the reaper knows that no file, artifact or run names a content.
alter table file_version add column loose_since timestamptz;

-- What names a content.
create index file_by_version on file (version_id);
create index artifact_by_version on artifact (version_id);

-- The newest file below a directory is found without reading the files.
create index file_by_path on file (project_id, area, path, modified_at);
