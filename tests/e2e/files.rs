//! Queue files that cannot be used, for now or for ever: a sentence says so, and no event is lost.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};
use siphon_testkit::{HttpBackend, Reply};
use siphon_tests::{Lab, Launch, Siphon, agent, config, take_write_lock, with};

/// A lab whose agent `orders` has its queue in `path`.
fn lab(backend: &HttpBackend, path: &str) -> Lab {
    let settings = json!({"async/sqlite": {"path": path, "lease": "1s"}});
    let connection = json!({"backoff_strategy": "fallback"});
    let changes = json!({"connection": connection, "extra_config": settings});
    Lab::new(&config([with(agent("orders", &backend.url()), changes)]))
}

/// The only agent gives up at once; the log and the exit status say so.
#[track_caller]
fn check_hopeless(launch: Launch<'_>, sentence: &str) {
    let mut siphon = launch.start();
    assert_eq!(siphon.wait(), 4);
    siphon.wait_for_log(&["[ASYNC: orders][SQLite] agent failed for good", sentence, "attempts=1"]);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let lab = lab(&HttpBackend::start(), "events.db");
    let text = "my shopping list\n".repeat(100);
    lab.write("events.db", &text);
    check_hopeless(Launch::new(&lab), "events.db: not an SQLite database: `path` must name a queue file");
    assert_eq!(std::fs::read_to_string(lab.path("events.db")).unwrap(), text);
}

#[test]
fn a_folder_is_refused() {
    let lab = lab(&HttpBackend::start(), "events.db");
    std::fs::create_dir(lab.path("events.db")).unwrap();
    check_hopeless(Launch::new(&lab), "events.db: this is a directory: `path` must name a file inside it");
}

const NOBODY: u32 = 65_534;

#[test]
fn a_file_that_cannot_be_written_is_refused_and_its_events_stay() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, "events.db");
    lab.publish("orders", ["event-1"]);
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    set(&lab.path("events.db"), 0o444);
    set(lab.folder(), 0o555);
    // Root may write everywhere, so the program becomes somebody else.
    if !is_root() {
        check_hopeless(Launch::new(&lab), READ_ONLY);
    } else if can_become_nobody(&lab) {
        check_hopeless(Launch::new(&lab).user(NOBODY), READ_ONLY);
    } else {
        eprintln!("skipped: siphon lies where only root can run it");
    }
    set(lab.folder(), 0o755);
    set(&lab.path("events.db"), 0o644);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
}

const READ_ONLY: &str = "cannot be written: give this user write permission on both";

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id can be run");
    output.stdout.trim_ascii() == b"0"
}

fn can_become_nobody(lab: &Lab) -> bool {
    let output = lab.command().uid(NOBODY).args(["plugins", "--plugins", "plugins"]).output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_file_that_is_locked_for_long_is_waited_for() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, "events.db");
    lab.publish("orders", ["event-1", "event-2"]);
    let lock = take_write_lock(&lab.path("events.db"));
    let mut siphon = lab.start();
    let sentence = "events.db: locked by another process for 10s: close what holds it";
    siphon.wait_for_log(&["[ASYNC: orders][SQLite] not connected, trying again", sentence, "wait=1s"]);
    let agent = siphon.agent("orders");
    assert_eq!(agent["state"], "connecting");
    assert!(agent["last_error"]["text"].as_str().unwrap().contains(sentence), "{agent}");
    drop(lock);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((lab.rows(), backend.requests().len()), (0, 2));
}

/// An event whose backend has just answered, and a lock that keeps its acknowledgement from the file.
fn locked_before_the_ack() -> (HttpBackend, Lab, Siphon, Connection) {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let lab = lab(&backend, "events.db");
    lab.publish("orders", ["event-1"]);
    let siphon = lab.start();
    backend.wait_until("the event", |log| log.running == 1);
    let lock = take_write_lock(&lab.path("events.db"));
    backend.release();
    (backend, lab, siphon, lock)
}

#[test]
fn a_lock_while_an_event_is_in_the_pipe_does_not_make_it_run_twice() {
    let (backend, lab, mut siphon, lock) = locked_before_the_ack();
    // Acknowledged by the agent, and not yet in the file.
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(lab.rows(), 1);
    drop(lock);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((lab.rows(), backend.requests().len()), (0, 1));
}

#[test]
fn a_lock_that_outlasts_a_try_does_not_make_finished_work_run_twice() {
    let (backend, lab, mut siphon, lock) = locked_before_the_ack();
    siphon.wait_for_log(&["the queue refused, trying again", "events.db: locked by another process for 10s"]);
    assert_eq!(lab.rows(), 1);
    drop(lock);
    siphon.wait_for_agent("orders", |_| lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(backend.requests().len(), 1);
    assert!(!siphon.log().iter().any(|line| line.contains("not connected")), "{:?}", siphon.log());
}

#[test]
fn a_damaged_event_is_named_and_does_not_stop_the_others() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, "events.db");
    lab.publish("orders", ["event-1", "event-2", "event-3"]);
    let file = take_write_lock(&lab.path("events.db"));
    file.execute_batch("DELETE FROM content WHERE id = 1; COMMIT").expect("the event can be damaged");
    drop(file);
    let mut siphon = lab.start();
    siphon.wait_for_log(&["ERROR", "a damaged event was set aside", "event=1", "events.db"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
    assert_eq!((lab.rows(), backend.requests().len()), (1, 2));
}

#[test]
fn a_stop_while_the_file_is_locked_ends_and_loses_nothing() {
    let backend = HttpBackend::start();
    backend.answer("/in", Reply::json(200, "{}").held());
    let lab = lab(&backend, "events.db");
    lab.publish("orders", ["event-1", "event-2"]);
    let mut siphon = lab.start();
    backend.wait_until("the event", |log| log.running == 1);
    let lock = take_write_lock(&lab.path("events.db"));
    siphon.terminate();
    siphon.wait_for_log(&["[SERVICE: Signal] draining"]);
    backend.release();
    assert_eq!(siphon.wait(), 0, "with the file still locked");
    drop(lock);
    let mut siphon = lab.start();
    siphon.wait_for_agent("orders", |_| lab.rows() == 0);
    assert_eq!(siphon.stop(), 0);
    let seen = backend.look(|log| log.bodies("/in"));
    assert!(["event-1", "event-2"].iter().all(|id| seen.iter().any(|body| body == id)), "{seen:?}");
}

#[test]
fn a_file_that_is_removed_while_in_use_is_told_and_a_new_one_is_used() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, "events.db");
    let mut siphon = lab.start();
    siphon.wait_for_log(&["[ASYNC: orders][SQLite] connected"]);
    for name in ["events.db", "events.db-wal", "events.db-shm"] {
        std::fs::remove_file(lab.path(name)).expect("a file of the queue");
    }
    let sentence = "events.db: the file was removed or replaced while it was in use";
    siphon.wait_for_log(&["[ASYNC: orders][SQLite] not connected, trying again", sentence]);
    lab.publish("orders", ["event-1"]);
    siphon.wait_for_agent("orders", |agent| agent["acked"] == 1);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(lab.rows(), 0);
}

/// A small file system of its own. Unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir(at).expect("a folder for the disk");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "siphon-test"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(at.to_owned()))
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let rest = std::fs::write(self.0.join("filler"), vec![0; 4 << 20]);
        assert_eq!(rest.map_err(|error| error.kind()), Err(std::io::ErrorKind::StorageFull));
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("the filler is there");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn on_a_full_disk_events_wait_and_go_on_when_there_is_room() {
    let backend = HttpBackend::start();
    let lab = lab(&backend, "disk/events.db");
    let Some(disk) = SmallDisk::mount(&lab.path("disk")) else {
        return eprintln!("skipped: this user may not mount a small disk");
    };
    lab.publish("orders", ["event-1", "event-2"]);
    disk.fill();
    let large = "x".repeat(1 << 20);
    let ran = lab.siphon_reading(&lab.arguments("publish", &["--agent", "orders", "-"]), large.as_bytes());
    assert_eq!(ran.status, 4, "{ran:?}");
    assert!(ran.stderr.contains("disk/events.db: the disk is full: free some space; events wait"), "{ran:?}");

    let mut siphon = lab.start();
    siphon.wait_for_log(&["[ASYNC: orders][SQLite]", "disk/events.db: the disk is full: free some space"]);
    let text = siphon.agent("orders")["last_error"]["text"].take();
    assert!(text.as_str().unwrap_or_default().contains("the disk is full"), "{text}");
    assert_ne!(siphon.agent("orders")["state"], json!("failed"));
    disk.free();
    siphon.wait_for_agent("orders", |agent: &Value| agent["acked"] == 2);
    assert_eq!(siphon.stop(), 0);
    assert_eq!(siphon_tests::rows(&lab.path("disk/events.db")), 0);
    let mut seen = backend.look(|log| log.bodies("/in"));
    seen.sort_unstable();
    assert_eq!(seen, ["event-1", "event-2"]);
}
