//! The SQLite file: one table for each kind of thing, with a key and a JSON document per row.

use super::{Change, Table};
use core::time::Duration;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// "dps1" in ASCII: tells a state file from other SQLite files.
const APPLICATION_ID: i64 = 0x6470_7331;
/// The version of the tables below. Since 2 there is `linked_hubs`, since 3
/// `certificate_authorities`.
const SCHEMA_VERSION: i64 = 3;

/// How long to wait for a file that another process has.
const IN_USE_PATIENCE: Duration = Duration::from_millis(500);

/// Why a state file cannot be used. Says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The operating system or SQLite refuses.
    #[error("the state file {} cannot be used: {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What they say.
        problem: String,
    },
    /// Another process has it.
    #[error(
        "the state file {} is in use: stop the other emulator, or name another file", path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It is a file of something else.
    #[error(
        "{} is not a state file of this service: name another file, or one that does not exist yet", path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program has written it.
    #[error(
        "the state file {} has version {found}, and this program knows versions up to {known}: use the program that wrote it, or another file", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest known one.
        known: i64,
    },
    /// A row cannot be understood.
    #[error(
        "the state file {} is damaged: {table} {key:?} cannot be read; restore the file, or start with another", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The table.
        table: &'static str,
        /// The row.
        key: String,
    },
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the state file: {0}")]
    Thread(#[source] io::Error),
}

impl Table {
    const ALL: [Self; 7] = [
        Self::Enrollments,
        Self::EnrollmentGroups,
        Self::Registrations,
        Self::HubDevices,
        Self::LinkedHubs,
        Self::CertificateAuthorities,
        Self::Settings,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enrollments => "enrollments",
            Self::EnrollmentGroups => "enrollment_groups",
            Self::Registrations => "registrations",
            Self::HubDevices => "hub_devices",
            Self::LinkedHubs => "linked_hubs",
            Self::CertificateAuthorities => "certificate_authorities",
            Self::Settings => "settings",
        }
    }
}

/// What a file held when it was opened: table, key and document of every row.
#[cfg_attr(test, derive(Debug))]
pub(crate) struct Saved {
    /// Whether the file was made just now.
    pub(crate) is_new: bool,
    pub(crate) rows: Vec<(Table, String, Zeroizing<String>)>,
}

/// An open state file, which no other process can open.
#[derive(Debug)]
pub(crate) struct File {
    connection: Connection,
}

impl File {
    /// Opens a file, or makes it, readable by its owner only: it holds keys. A new one has `first` in
    /// it from the start, or is still new when that fails.
    pub(crate) fn open(path: &Path, first: &[Change]) -> Result<(Self, Saved), StoreError> {
        let refused = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StoreError::InUse { path: path.to_owned() }
            }
            Some(ErrorCode::NotADatabase) => StoreError::Foreign { path: path.to_owned() },
            _ => StoreError::Unusable { path: path.to_owned(), problem: error.to_string() },
        };
        let unusable = |error: io::Error| StoreError::Unusable {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        create(path).map_err(unusable)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(path, flags).map_err(refused)?;
        // An earlier service may be about to end.
        connection.busy_timeout(IN_USE_PATIENCE).map_err(refused)?;
        // Before anything is written: a file of something else must stay as it is.
        let application = pragma(&connection, "application_id").map_err(refused)?;
        let version = pragma(&connection, "user_version").map_err(refused)?;
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(refused)?;
        let is_new = (application, version, tables) == (0, 0, 0);
        if !is_new && application != APPLICATION_ID {
            return Err(StoreError::Foreign { path: path.to_owned() });
        }
        if version > SCHEMA_VERSION {
            let (found, known) = (version, SCHEMA_VERSION);
            return Err(StoreError::Newer { path: path.to_owned(), found, known });
        }
        // Only now is it known to be the service's own. SQLite gives the others the mode of the first.
        for suffix in ["", "-wal", "-shm"] {
            let mut file = path.as_os_str().to_owned();
            file.push(suffix);
            keep_from_others(Path::new(&file)).map_err(unusable)?;
        }
        let rows = prepare(&mut connection, is_new.then_some(first)).map_err(refused)?;
        Ok((Self { connection }, Saved { is_new, rows }))
    }

    /// Makes every later commit fail.
    #[cfg(test)]
    pub(crate) fn break_for_test(&self) {
        self.connection.execute_batch("DROP TABLE enrollments").unwrap();
    }

    /// Writes changes, all or none; on the disk when it returns.
    pub(super) fn commit(&mut self, changes: &[Change]) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        apply(&transaction, changes)?;
        transaction.commit()
    }

    /// The same before the thread is there, for what must be kept before the service is.
    pub(crate) fn commit_at_once(
        &mut self,
        path: &Path,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        self.commit(changes).map_err(|error| StoreError::Unusable {
            path: path.to_owned(),
            problem: error.to_string(),
        })
    }
}

fn apply(connection: &Connection, changes: &[Change]) -> Result<(), rusqlite::Error> {
    for Change { table, key, row } in changes {
        let table = table.name();
        match row {
            Some(row) => connection.execute(
                &format!("INSERT OR REPLACE INTO {table} (key, document) VALUES (?1, ?2)"),
                (key, row.as_str()),
            )?,
            None => connection
                .execute(&format!("DELETE FROM {table} WHERE key = ?1"), (key.as_str(),))?,
        };
    }
    Ok(())
}

/// Makes the file unless it is there: SQLite would make one that others can read. One that is empty
/// is taken for a new one.
fn create(path: &Path) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let found = options.open(path)?.metadata()?;
    if !found.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    if found.len() == 0 { keep_from_others(path) } else { Ok(()) }
}

/// Leaves a file, if it is there, to its owner alone.
#[cfg(unix)]
fn keep_from_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match std::fs::metadata(path) {
        Ok(found) => found.permissions().mode(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if mode & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(file = %path.display(), "others could read it; now only its owner can");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// There are no modes here.
#[cfg(not(unix))]
fn keep_from_others(_: &Path) -> io::Result<()> {
    Ok(())
}

fn pragma(connection: &Connection, name: &str) -> Result<i64, rusqlite::Error> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Takes the file for this process alone, makes the tables with what is `first` in a new file, and
/// reads what there is.
fn prepare(
    connection: &mut Connection,
    first: Option<&[Change]>,
) -> Result<Vec<(Table, String, Zeroizing<String>)>, rusqlite::Error> {
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // Every commit waits for the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version = pragma(&transaction, "user_version")?;
    if version < SCHEMA_VERSION {
        // A new file has none of them, and an older one lacks those that have come since.
        for table in Table::ALL {
            let name = table.name();
            transaction.execute_batch(&format!(
                "CREATE TABLE IF NOT EXISTS {name} (key TEXT NOT NULL PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID"
            ))?;
        }
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    if let Some(first) = first {
        apply(&transaction, first)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    let mut rows = Vec::new();
    for table in Table::ALL {
        let mut all =
            transaction.prepare(&format!("SELECT key, document FROM {}", table.name()))?;
        let found = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for row in found {
            let (key, document): (String, String) = row?;
            rows.push((table, key, Zeroizing::new(document)));
        }
    }
    transaction.commit()?;
    Ok(rows)
}
