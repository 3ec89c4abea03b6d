use super::*;
use std::fs;
use std::path::PathBuf;

/// A path for a file of one test, where nothing is.
fn path(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dps-store-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("state.db")
}

fn put(key: &str, row: &str) -> Change {
    Change::put(Table::Enrollments, key.to_owned(), &row)
}

fn rows(saved: &Saved) -> Vec<(&str, &str)> {
    saved.rows.iter().map(|(_, key, row)| (key.as_str(), row.as_str())).collect()
}

#[tokio::test]
async fn what_is_settled_is_there_when_the_file_is_opened_again() {
    let path = path("again");
    let (file, saved) = File::open(&path, &[]).unwrap();
    assert!(saved.is_new && saved.rows.is_empty());
    let store = Store::in_file(file).unwrap();
    store.append([put("a", "1"), put("b", "2")]);
    let ticket = store.append([put("a", "3"), Change::removed(Table::Enrollments, "b".to_owned())]);
    assert_eq!(store.settled(ticket).await, Durability::Durable);
    assert_eq!(store.durability(ticket), Durability::Durable);
    drop(store);
    let (_, saved) = File::open(&path, &[]).unwrap();
    assert!(!saved.is_new);
    assert_eq!(rows(&saved), [("a", "\"3\"")]);
}

#[test]
fn a_new_file_holds_what_is_first_as_soon_as_it_is_one() {
    let path = path("first");
    drop(
        File::open(
            &path,
            &[put("a", "1"), Change::put(Table::EnrollmentGroups, "b".to_owned(), &2)],
        )
        .unwrap(),
    );
    let (_, saved) = File::open(&path, &[put("c", "3")]).unwrap();
    assert!(!saved.is_new);
    assert_eq!(rows(&saved), [("a", "\"1\""), ("b", "2")]);
}

#[test]
fn what_was_queued_is_written_before_the_store_is_gone() {
    let path = path("queued");
    let store = Store::in_file(File::open(&path, &[]).unwrap().0).unwrap();
    for number in 0..3000 {
        store.append([put(&format!("{number:04}"), "x")]);
    }
    drop(store);
    assert_eq!(File::open(&path, &[]).unwrap().1.rows.len(), 3000);
}

#[test]
fn a_file_that_is_in_use_foreign_or_newer_is_refused_and_left_alone() {
    let path = path("refused");
    let (file, _) = File::open(&path, &[]).unwrap();
    assert!(matches!(File::open(&path, &[]), Err(StoreError::InUse { .. })));
    drop(file);

    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 4).unwrap();
    drop(connection);
    let error = File::open(&path, &[]).unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 4, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("has version 4"), "{error}");

    let content = "not a database, and long enough to be sure of it".repeat(9);
    let other = path.with_file_name("text");
    fs::write(&other, &content).unwrap();
    assert!(matches!(File::open(&other, &[]), Err(StoreError::Foreign { .. })));
    assert_eq!(fs::read_to_string(&other).unwrap(), content);
    let other = path.with_file_name("other.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE mine (x)").unwrap();
    drop(connection);
    assert!(matches!(File::open(&other, &[]), Err(StoreError::Foreign { .. })));
    let nowhere = path.with_file_name("none").join("state.db");
    assert!(matches!(File::open(&nowhere, &[]), Err(StoreError::Unusable { .. })));
}

#[test]
fn a_file_of_the_first_version_gets_what_it_lacks() {
    let path = path("first-version");
    drop(File::open(&path, &[put("a", "1")]).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let lacking = "DROP TABLE linked_hubs; DROP TABLE certificate_authorities";
    connection.execute_batch(&format!("{lacking}; PRAGMA user_version = 1")).unwrap();
    drop(connection);
    let (mut file, saved) = File::open(&path, &[put("b", "2")]).unwrap();
    assert!(!saved.is_new);
    assert_eq!(rows(&saved), [("a", "\"1\"")]);
    let hub = Change::put(Table::LinkedHubs, "x.test".to_owned(), &1);
    file.commit_at_once(&path, &[hub]).unwrap();
    drop(file);
    let (_, saved) = File::open(&path, &[]).unwrap();
    assert_eq!(rows(&saved), [("a", "\"1\""), ("x.test", "1")]);
}

#[cfg(unix)]
#[test]
fn only_its_owner_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path("mode");
    let store = Store::in_file(File::open(&path, &[]).unwrap().0).unwrap();
    store.append([put("a", "1")]);
    for entry in fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.path());
    }
    drop(store);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_could_read_is_closed_to_them_unless_it_is_foreign() {
    use std::os::unix::fs::PermissionsExt as _;
    let path = path("tightened");
    let set = |path: &PathBuf| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    };
    let modes = || -> Vec<u32> {
        let entries = fs::read_dir(path.parent().unwrap()).unwrap();
        entries.map(|item| item.unwrap().metadata().unwrap().permissions().mode() & 0o777).collect()
    };
    fs::write(&path, "").unwrap();
    set(&path);
    for _ in ["empty", "used"] {
        let store = Store::in_file(File::open(&path, &[]).unwrap().0).unwrap();
        store.append([put("a", "1")]);
        assert!(modes().iter().all(|mode| *mode == 0o600), "{:?}", modes());
        drop(store);
        set(&path);
    }
    let other = path.with_file_name("text");
    fs::write(&other, "not a database, and long enough to be sure of it".repeat(9)).unwrap();
    set(&other);
    assert!(matches!(File::open(&other, &[]), Err(StoreError::Foreign { .. })));
    assert_eq!(fs::metadata(&other).unwrap().permissions().mode() & 0o777, 0o644);
}

#[tokio::test]
async fn a_failed_write_is_told_and_ends_all_writing() {
    let path = path("failed");
    let (file, _) = File::open(&path, &[]).unwrap();
    file.break_for_test();
    let store = Store::in_file(file).unwrap();
    let ticket = store.append([put("a", "1")]);
    assert_eq!(store.settled(ticket).await, Durability::Failed);
    let later = store.append([put("b", "1")]);
    assert_eq!(store.durability(later), Durability::Failed);
    assert_eq!(store.settled(later).await, Durability::Failed);
}

#[tokio::test]
async fn what_is_appended_together_is_kept_together() {
    let path = path("together");
    let (file, _) = File::open(&path, &[]).unwrap();
    file.break_for_test();
    let store = Store::in_file(file).unwrap();
    let good = (0..=MOST_IN_ONE)
        .map(|number| Change::put(Table::Registrations, number.to_string(), &number));
    let ticket = store.append(good.chain([put("a", "1")]));
    assert_eq!(store.settled(ticket).await, Durability::Failed);
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    let count = "SELECT count(*) FROM registrations";
    let kept: i64 = connection.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 0);
}
