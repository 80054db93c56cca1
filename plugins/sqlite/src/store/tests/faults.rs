//! Full disks, locks and files that go away.

use super::super::error::Fault;
use super::*;

fn publish_faults(bench: &mut Bench, size: usize) -> Option<Fault> {
    let new = event("a", &"x".repeat(size));
    let (job, answer) = Job::new(Publish { queue: "orders".into(), events: vec![new] });
    bench.try_ask(Command::Publish(job), answer).unwrap().err().map(|error| error.fault)
}

/// A file that cannot grow any more, with one event, claimed.
fn full() -> (tempfile::TempDir, Bench, Reader, Ticket) {
    let (folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    bench.publish("orders", vec![event("a", "1")]);
    let reader = bench.reader("orders", "");
    let ticket = bench.claim(&reader, 1)[0].ticket;
    bench.keeper.engine().limit_growth(2);
    assert_eq!(publish_faults(&mut bench, 100_000), Some(Fault::Full));
    (folder, bench, reader, ticket)
}

#[test]
fn a_full_disk_refuses_what_is_published_and_keeps_the_rest() {
    let (_folder, mut bench, reader, ticket) = full();
    assert_eq!(bench.settle(&reader, ticket, Verdict::Retry(Duration::ZERO)), Settled::Done);
    assert_eq!(bench.claim(&reader, 1)[0].attempt, 2);
}

#[test]
fn a_publish_that_finds_the_disk_full_does_not_fail_what_shares_its_transaction() {
    let (_folder, mut bench, reader, ticket) = full();
    let settlements = vec![Settlement { ticket, verdict: Verdict::Ack }];
    let (settle, mut settled) = Job::new(Settle { consumer: reader.id, settlements });
    let events = vec![event("a", &"x".repeat(100_000))];
    let (publish, mut published) = Job::new(Publish { queue: "orders".into(), events });
    let commands = vec![Command::Publish(publish), Command::Settle(settle)];
    bench.keeper.round(commands, bench.now).unwrap();
    assert_eq!(settled.try_recv().unwrap(), Ok(vec![Settled::Done]));
    assert_eq!(published.try_recv().unwrap().unwrap_err().fault, Fault::Full);
}

#[test]
fn publishing_goes_on_when_there_is_room_again() {
    let (_folder, mut bench, _reader, _) = full();
    bench.keeper.engine().limit_growth(1_000);
    assert_eq!(publish_faults(&mut bench, 100_000), None);
}

#[test]
fn a_lock_that_lasts_is_an_error_that_passes() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let other = schema::open(&path).unwrap();
    bench.keeper.engine().connection().busy_timeout(Duration::from_millis(10)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(publish_faults(&mut bench, 1), Some(Fault::Locked));
    assert!(!Fault::Locked.is_permanent());
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(publish_faults(&mut bench, 1), None);
}

#[test]
fn nothing_is_confirmed_once_the_file_is_gone() {
    for replace in [false, true] {
        let (_folder, path) = folder();
        let mut bench = Bench::open(&path, start_of_time());
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        if replace {
            std::fs::write(&path, "").unwrap();
        }
        let (job, mut answer) = Job::new(Publish { queue: "orders".into(), events: vec![event("a", "1")] });
        let ended = bench.keeper.round(vec![Command::Publish(job)], bench.now);
        assert_eq!(ended, Err(Fault::Replaced));
        assert_eq!(answer.try_recv().unwrap().unwrap_err().fault, Fault::Replaced);
    }
}

#[test]
fn a_damaged_file_says_so() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    bench.publish("orders", vec![event("a", &"x".repeat(100_000)); 3]);
    drop(bench);
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = bytes.len() / 4_096;
    bytes[4_096..pages * 4_096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let found = Engine::open(&path, start_of_time()).and_then(|engine| {
        let mut bench = Bench::with(engine, start_of_time());
        publish_faults(&mut bench, 1).map_or(Ok(()), |fault| Err(fault.at(&path)))
    });
    let fault = found.unwrap_err().fault;
    assert!(matches!(fault, Fault::Corrupt(_)) && fault.is_permanent(), "{fault:?}");
}

#[test]
fn an_unknown_consumer_is_told_that_it_is_closed() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "");
    let (job, answer) = Job::new(reader.id);
    bench.try_ask(Command::Close(job), answer).unwrap().unwrap();
    let (job, answer) = Job::new(Claim { consumer: reader.id, max: 1 });
    let error = bench.try_ask(Command::Claim(job), answer).unwrap().unwrap_err();
    assert_eq!(error.to_string(), format!("{}: the queue was closed", path.display()));
}

/// Damages the second of three events with `sql`; the others must come, in claims of `max`, and the second stays.
#[track_caller]
fn check_damaged(sql: &str, max: usize) {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    bench.publish("orders", ["1", "2", "3"].map(|payload| event("a", payload)).into());
    bench.keeper.engine().connection().execute(sql, []).unwrap();
    let reader = bench.reader("orders", "");
    let mut found = Vec::new();
    for _ in 0..3 {
        found.extend(bench.payloads(&reader, max));
    }
    assert_eq!(found, ["1", "3"], "{sql}");
    assert_eq!(rows(&path).0, 3, "{sql}");
}

#[test]
fn a_damaged_event_is_set_aside_and_the_others_come() {
    for max in [1, 9] {
        check_damaged("DELETE FROM content WHERE id = 2", max);
        check_damaged("UPDATE content SET headers = x'ff' WHERE id = 2", max);
        check_damaged("UPDATE content SET message_id = CAST(x'ff' AS TEXT) WHERE id = 2", max);
    }
}

#[test]
fn a_damaged_event_that_was_repaired_can_be_claimed_again() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    bench.publish("orders", vec![event("a", "1")]);
    let run = |bench: &Bench, sql| assert_eq!(bench.keeper.engine().connection().execute(sql, []).unwrap(), 1);
    run(&bench, "UPDATE content SET headers = x'ff'");
    let reader = bench.reader("orders", "");
    bench.advance(LEASE * 100);
    assert_eq!(bench.claim(&reader, 1), []);
    run(&bench, "UPDATE content SET headers = x''");
    run(&bench, "UPDATE state SET due = 0");
    assert_eq!(bench.claim(&reader, 1)[0].attempt, 1);
}

#[test]
fn a_topic_that_is_no_text_stops_nothing() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    bench.publish("orders", vec![event("a", "1"), event("b", "2")]);
    let sql = "UPDATE topic SET name = CAST(x'ff' AS TEXT) WHERE name = 'a'";
    bench.keeper.engine().connection().execute(sql, []).unwrap();
    let reader = bench.reader("orders", "b");
    assert_eq!(bench.payloads(&reader, 9), ["2"]);
}
