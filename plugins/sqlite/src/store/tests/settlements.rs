//! What each verdict does, and when it comes too late.

use super::*;

/// A queue with one event that was claimed once.
struct Claimed {
    _folder: tempfile::TempDir,
    path: std::path::PathBuf,
    bench: Bench,
    reader: Reader,
    event: Event,
}

fn claimed() -> Claimed {
    let (folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let headers = vec![(b"a".to_vec(), b"1".to_vec()), (b"a".to_vec(), vec![0, 255])];
    let new = NewEvent { headers, key: Some(b"k".to_vec()), ..event("orders.eu", "x") };
    bench.publish("orders", vec![new]);
    let reader = bench.reader("orders", "");
    let event = bench.claim(&reader, 10).remove(0);
    Claimed { _folder: folder, path, bench, reader, event }
}

#[test]
fn an_event_comes_as_it_was_published() {
    let claimed = claimed();
    let event = &claimed.event;
    assert_eq!((event.topic.as_str(), event.payload.as_slice()), ("orders.eu", &b"x"[..]));
    assert_eq!((event.key.as_deref(), event.attempt), (Some(&b"k"[..]), 1));
    assert_eq!(event.headers, [(b"a".to_vec(), b"1".to_vec()), (b"a".to_vec(), vec![0, 255])]);
    assert_eq!((event.published, event.message_id.clone()), (claimed.bench.now.wall, None));
}

#[test]
fn an_acknowledged_event_is_deleted() {
    let mut it = claimed();
    assert_eq!(it.bench.settle(&it.reader, it.event.ticket, Verdict::Ack), Settled::Done);
    assert_eq!(rows(&it.path), (0, 0));
    assert_eq!(it.bench.settle(&it.reader, it.event.ticket, Verdict::Ack), Settled::Stale);
}

#[test]
fn a_requeued_event_comes_again_at_once_as_the_same_attempt() {
    let mut it = claimed();
    it.bench.settle(&it.reader, it.event.ticket, Verdict::Requeue);
    assert_eq!(it.bench.claim(&it.reader, 10)[0].attempt, 1);
}

#[test]
fn a_retried_event_waits_and_its_attempt_counts() {
    let mut it = claimed();
    it.bench.settle(&it.reader, it.event.ticket, Verdict::Retry(Duration::from_secs(5)));
    it.bench.advance(Duration::from_millis(4_999));
    assert_eq!(it.bench.claim(&it.reader, 10), []);
    it.bench.advance(Duration::from_millis(1));
    assert_eq!(it.bench.claim(&it.reader, 10)[0].attempt, 2);
}

#[test]
fn a_rejected_event_goes_to_the_dead_letter_queue_and_says_where_it_was() {
    let mut it = claimed();
    it.bench.settle(&it.reader, it.event.ticket, Verdict::Reject);
    assert_eq!(it.bench.claim(&it.reader, 10), []);
    let undertaker = it.bench.reader("orders.dead", "orders.*");
    let dead = it.bench.claim(&undertaker, 10).remove(0);
    assert_eq!((dead.topic.as_str(), dead.attempt, dead.ticket.id), ("orders.eu", 1, it.event.ticket.id));
    let header = |name: &str| {
        let found = dead.headers.iter().find(|(key, _)| key == name.as_bytes()).unwrap();
        String::from_utf8(found.1.clone()).unwrap()
    };
    assert_eq!(header("siphon-dead-letter-queue"), "orders");
    assert_eq!(header("siphon-dead-letter-attempts"), "1");
    assert_eq!(header("siphon-dead-letter-time"), it.bench.now.wall.to_string());
    assert_eq!(dead.headers[..2], it.event.headers[..]);
}

#[test]
fn a_lease_is_renewed_while_its_consumer_lives() {
    let mut it = claimed();
    let other = it.bench.reader("orders", "");
    for _ in 0..20 {
        it.bench.advance(LEASE / 3);
        assert_eq!(it.bench.claim(&other, 1), []);
    }
    assert_eq!(it.bench.settle(&it.reader, it.event.ticket, Verdict::Ack), Settled::Done);
}

#[test]
fn a_lease_ends_when_its_consumer_is_gone() {
    let mut it = claimed();
    drop(it.reader.alive);
    let other = it.bench.reader("orders", "");
    it.bench.advance(LEASE - Duration::from_millis(1));
    assert_eq!(it.bench.claim(&other, 1), []);
    it.bench.advance(Duration::from_millis(1));
    let again = it.bench.claim(&other, 1);
    assert_eq!((again[0].attempt, again[0].ticket.id), (2, it.event.ticket.id));
}

#[test]
fn a_late_settlement_counts_only_while_nobody_else_claimed_the_event() {
    for is_claimed_by_other in [false, true] {
        let mut it = claimed();
        let mut other_process = Bench::open(&it.path, later(it.bench.now, LEASE * 2));
        let other = other_process.reader("orders", if is_claimed_by_other { "" } else { "none" });
        let found = other_process.claim(&other, 1);
        assert_eq!(found.len(), usize::from(is_claimed_by_other));
        let settled = it.bench.settle(&it.reader, it.event.ticket, Verdict::Ack);
        let expected = if is_claimed_by_other { Settled::Stale } else { Settled::Done };
        assert_eq!((settled, rows(&it.path).0), (expected, i64::from(is_claimed_by_other)));
    }
}

#[test]
fn closing_a_consumer_gives_back_what_it_holds() {
    let mut it = claimed();
    let (job, answer) = Job::new(it.reader.id);
    it.bench.try_ask(Command::Close(job), answer).unwrap().unwrap();
    let other = it.bench.reader("orders", "");
    assert_eq!(it.bench.claim(&other, 1)[0].attempt, 2);
}

#[test]
fn a_claim_that_nobody_waits_for_any_more_is_given_back() {
    let mut it = claimed();
    it.bench.publish("orders", vec![event("t", "second")]);
    let (job, answer) = Job::new(Claim { consumer: it.reader.id, max: 1 });
    drop(answer);
    it.bench.keeper.round(vec![Command::Claim(job)], it.bench.now).unwrap();
    let again = it.bench.claim(&it.reader, 1);
    assert_eq!((again[0].payload.as_slice(), again[0].attempt), (&b"second"[..], 1));
}

/// Closes the consumer while a claim of its own is under way, in one round. Attempts of the two events as the next
/// consumer finds them.
#[track_caller]
fn check_close_beside_a_claim(is_awaited: bool) {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    bench.publish("orders", vec![event("a", "1"), event("a", "2")]);
    let reader = bench.reader("orders", "");
    let (claim, mut claimed) = Job::new(Claim { consumer: reader.id, max: 9 });
    if !is_awaited {
        claimed.close();
    }
    let (close, mut closed) = Job::new(reader.id);
    bench.keeper.round(vec![Command::Claim(claim), Command::Close(close)], bench.now).unwrap();
    closed.try_recv().unwrap().unwrap();
    let next = bench.reader("orders", "");
    let attempts: Vec<u32> = bench.claim(&next, 9).iter().map(|event| event.attempt).collect();
    assert_eq!(attempts, [1, 1], "with an awaited claim: {is_awaited}");
}

#[test]
fn a_consumer_that_closes_claims_nothing_any_more() {
    check_close_beside_a_claim(false);
    check_close_beside_a_claim(true);
}

#[test]
fn a_settlement_counts_although_its_consumer_went_away_meanwhile() {
    let mut it = claimed();
    let settlements = vec![Settlement { ticket: it.event.ticket, verdict: Verdict::Ack }];
    let (job, _) = Job::new(Settle { consumer: it.reader.id, settlements });
    drop(it.reader.alive);
    it.bench.keeper.round(vec![Command::Settle(job)], it.bench.now).unwrap();
    assert_eq!(rows(&it.path), (0, 0));
}
