//! Which events a claim takes, in which order, and how much it looks at.

use rusqlite::StatementStatus;

use super::super::{claim, search};
use super::*;

/// Publishes one event per topic, the payload being its number from 1.
fn published(topics: &str) -> (tempfile::TempDir, Bench) {
    let (folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let number = |(i, topic): (usize, &str)| event(topic, &(i + 1).to_string());
    let events = topics.split(' ').enumerate().map(number).collect();
    bench.publish("orders", events);
    (folder, bench)
}

/// Publishes to `topics`, claims with `patterns` in claims of two.
#[track_caller]
fn check(topics: &str, patterns: &str, expected: &str) {
    let (_folder, mut bench) = published(topics);
    let reader = bench.reader("orders", patterns);
    let mut found = Vec::new();
    for _ in 0..10 {
        found.extend(bench.payloads(&reader, 2));
    }
    assert_eq!(found.join(" "), expected, "topics `{topics}`, patterns `{patterns}`");
}

#[test]
fn events_come_in_the_order_of_publishing() {
    check("a b a b a", "", "1 2 3 4 5");
    check("a b a b a", "#", "1 2 3 4 5");
    check("a b a b a", "b a", "1 2 3 4 5");
}

#[test]
fn only_events_of_the_wanted_topics_come() {
    check("a b a b a", "b", "2 4");
    check("a.x b.x c a.y b.y c", "a.* c", "1 3 4 6");
    check("a a a", "b", "");
}

#[test]
fn what_one_consumer_leaves_is_there_for_another() {
    let (_folder, mut bench) = published("a b a");
    let (one, other) = (bench.reader("orders", "b"), bench.reader("orders", "a"));
    assert_eq!(bench.payloads(&one, 9), ["2"]);
    assert_eq!(bench.payloads(&other, 9), ["1", "3"]);
}

#[test]
fn queues_of_one_file_are_apart() {
    let (_folder, mut bench) = published("a");
    bench.publish("refunds", vec![event("a", "refund")]);
    let reader = bench.reader("refunds", "");
    assert_eq!(bench.payloads(&reader, 9), ["refund"]);
}

#[test]
fn a_topic_that_appears_later_is_found() {
    let (_folder, mut bench) = published("a");
    let reader = bench.reader("orders", "a.* b");
    assert_eq!(bench.payloads(&reader, 9), Vec::<String>::new());
    bench.publish("orders", vec![event("b", "2"), event("c", "3"), event("a.b", "4")]);
    assert_eq!(bench.payloads(&reader, 9), ["2", "4"]);
}

#[test]
fn an_event_published_with_a_delay_waits() {
    let (_folder, mut bench) = published("a");
    let delay = Duration::from_secs(60);
    bench.publish("orders", vec![NewEvent { delay, ..event("a", "late") }, event("a", "soon")]);
    let reader = bench.reader("orders", "");
    assert_eq!(bench.payloads(&reader, 9), ["1", "soon"]);
    bench.advance(delay);
    assert_eq!(bench.payloads(&reader, 9), ["late"]);
}

#[test]
fn a_parked_claim_is_answered_by_the_publish_itself() {
    let (_folder, mut bench) = published("a");
    let reader = bench.reader("orders", "b");
    let (job, mut answer) = Job::new(Claim { consumer: reader.id, max: 5 });
    bench.keeper.round(vec![Command::Claim(job)], bench.now).unwrap();
    bench.publish("orders", vec![event("a", "2")]);
    assert!(answer.try_recv().is_err());
    bench.publish("orders", vec![event("b", "3")]);
    assert_eq!(answer.try_recv().unwrap().unwrap()[0].payload, b"3");
}

#[test]
fn a_parked_claim_is_answered_by_the_rejection_that_fills_its_queue() {
    let (_folder, mut bench) = published("a");
    let (reader, undertaker) = (bench.reader("orders", ""), bench.reader("orders.dead", ""));
    let ticket = bench.claim(&reader, 1)[0].ticket;
    let (job, mut answer) = Job::new(Claim { consumer: undertaker.id, max: 5 });
    bench.keeper.round(vec![Command::Claim(job)], bench.now).unwrap();
    bench.keeper.round(Vec::new(), bench.now).unwrap(); // the first look at a file finds it changed
    bench.settle(&reader, ticket, Verdict::Reject);
    assert_eq!(answer.try_recv().unwrap().unwrap()[0].payload, b"1");
}

#[test]
fn big_events_come_in_small_claims() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let big = "x".repeat(claim::CLAIM_BYTES / 2 + 1);
    bench.publish("orders", (0..5).map(|_| event("a", &big)).collect());
    let reader = bench.reader("orders", "");
    assert_eq!(bench.claim(&reader, 9).len(), 2);
}

#[test]
fn an_event_of_fifty_megabytes_comes_whole() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let payload: Vec<u8> = (0..50u32 << 20).map(|i| (i % 251) as u8).collect();
    let big = NewEvent { payload: payload.clone().into(), ..event("a", "") };
    bench.publish("orders", vec![big]);
    let reader = bench.reader("orders", "");
    assert!(bench.claim(&reader, 1)[0].payload == payload);
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_longer() {
    let (_folder, mut bench) = published("a");
    let reader = bench.reader("orders", "");
    let ticket = bench.claim(&reader, 1)[0].ticket;
    bench.settle(&reader, ticket, Verdict::Retry(Duration::from_secs(60)));
    bench.now.wall -= 86_400_000;
    assert_eq!(bench.claim(&reader, 1), []);
    bench.advance(Duration::from_secs(60));
    assert_eq!(bench.claim(&reader, 1).len(), 1);
}

#[test]
fn a_parked_claim_notices_that_the_clock_is_set_back() {
    let (_folder, mut bench) = published("a");
    let delay = Duration::from_secs(60);
    bench.publish("orders", vec![NewEvent { delay, ..event("b", "late") }]);
    let reader = bench.reader("orders", "b");
    let (job, mut answer) = Job::new(Claim { consumer: reader.id, max: 1 });
    bench.keeper.round(vec![Command::Claim(job)], bench.now).unwrap();
    bench.now.wall -= 86_400_000;
    for _ in 0..2 {
        bench.advance(delay / 2);
        bench.keeper.round(Vec::new(), bench.now).unwrap();
        assert!(answer.try_recv().is_err());
    }
    bench.advance(delay / 2);
    bench.keeper.round(Vec::new(), bench.now).unwrap();
    assert_eq!(answer.try_recv().unwrap().unwrap()[0].payload, b"late");
}

#[test]
fn a_file_from_the_future_is_put_right_when_it_is_opened() {
    let (_folder, path) = folder();
    let mut future = start_of_time();
    future.wall *= 2;
    let mut bench = Bench::open(&path, future);
    bench.publish("orders", vec![event("a", "1")]);
    let reader = bench.reader("orders", "");
    assert_eq!(bench.claim(&reader, 1).len(), 1);
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "");
    bench.advance(LEASE);
    assert_eq!(bench.claim(&reader, 1).len(), 1);
}

#[test]
fn topics_that_are_not_used_any_more_are_removed() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "one.# kept");
    let published = |range: std::ops::Range<u32>| range.map(|i| event(&format!("one.{i}"), "x")).collect();
    bench.publish("orders", published(0..1_500));
    bench.publish("orders", vec![event("kept", "1")]);
    for taken in bench.claim(&reader, 1_500) {
        bench.settle(&reader, taken.ticket, Verdict::Ack);
    }
    bench.publish("orders", (0..10_000).map(|_| event("kept", "2")).collect());
    let count = |bench: &Bench| -> i64 {
        let engine = bench.keeper.engine();
        engine.connection().query_row("SELECT count(*) FROM topic", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&bench), 1);
    bench.publish("orders", published(0..1));
    assert_eq!(bench.claim(&reader, 20_000).len(), 10_002);
}

/// Steps of SQLite's machine for one claim of ten events by `patterns`, out of a queue with `ahead` events at its head
/// that the claim cannot take: leased, delayed, and of another topic, a third each.
fn steps(ahead: usize, patterns: &str) -> i32 {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let owner = bench.reader("orders", "a");
    let delay = Duration::from_secs(3_600);
    let third = |new: NewEvent| vec![new; ahead / 3];
    bench.publish("orders", third(event("a", "leased")));
    assert_eq!(bench.claim(&owner, ahead).len(), ahead / 3);
    bench.publish("orders", third(NewEvent { delay, ..event("a", "delayed") }));
    if patterns != "#" {
        bench.publish("orders", third(event("other", "unmatched")));
    }
    bench.publish("orders", vec![event("a", "ready"); 100]);
    let reader = bench.reader("orders", patterns);
    let before = steps_so_far(&bench);
    assert_eq!(bench.payloads(&reader, 10), ["ready"; 10]);
    steps_so_far(&bench) - before
}

fn steps_so_far(bench: &Bench) -> i32 {
    let connection = bench.keeper.engine().connection();
    let steps = |sql| connection.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep);
    let searches = [search::IN_QUEUE, search::IN_TOPIC, search::WALK, search::NEXT_TOPIC];
    searches.into_iter().chain([claim::PROMOTE, claim::NEXT_DUE]).map(steps).sum()
}

#[test]
fn a_claim_steps_over_nothing_that_it_cannot_take() {
    for patterns in ["#", "a", "a b"] {
        let (few, many) = (steps(30, patterns), steps(30_000, patterns));
        assert!(few > 50, "the count must count something: {few}");
        assert!(many <= few, "patterns `{patterns}`: {few} steps with 30 events ahead, {many} with 30000");
    }
}

/// Steps for the last of three claims of ten events by `o.*`, out of a queue with `topics` topics of an event each,
/// behind as many `foreign` events of another topic. The topics' first events are gone when `empty`.
fn steps_among_topics(topics: usize, foreign: usize, empty: bool) -> i32 {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "o.*");
    let each = |_: &Bench| (0..topics).map(|i| event(&format!("o.{i}"), "x")).collect::<Vec<_>>();
    if empty {
        bench.publish("orders", each(&bench));
        assert_eq!(bench.claim(&reader, topics).len(), topics);
    }
    bench.publish("orders", vec![event("x", "foreign"); foreign]);
    let mine = if empty { vec![event("o.1", "x"); 60] } else { each(&bench) };
    bench.publish("orders", mine);
    bench.claim(&reader, 10);
    bench.claim(&reader, 10);
    let before = steps_so_far(&bench);
    assert_eq!(bench.payloads(&reader, 10), ["x"; 10]);
    steps_so_far(&bench) - before
}

#[test]
fn a_claim_costs_the_same_with_many_topics_and_foreign_events() {
    let usual = steps_among_topics(60, 1, false);
    for (topics, foreign, empty) in [(3_000, 1, false), (3_000, 9_000, false), (3_000, 1, true), (3_000, 9_000, true)] {
        let found = steps_among_topics(topics, foreign, empty);
        let case = format!("{topics} topics, {foreign} foreign events, empty: {empty}");
        assert!(found > 50 && found <= usual * 2, "{case}: {found} steps, usually {usual}");
    }
}

/// A queue whose 40 events of as many topics lie behind `foreign` events of another one each, and a reader of those
/// topics. Payloads are `1` to `40`.
fn scattered(foreign: usize) -> (tempfile::TempDir, std::path::PathBuf, Bench, Reader) {
    let (folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "o.*");
    for number in 1..=40 {
        bench.publish("orders", vec![event("x", "foreign"); foreign]);
        bench.publish("orders", vec![event(&format!("o.{number}"), &number.to_string())]);
    }
    (folder, path, bench, reader)
}

#[test]
fn events_among_many_foreign_ones_come_all_and_in_order() {
    for (max, foreign) in [(1, 300), (7, 300), (100, 300), (1, 20), (7, 20), (100, 20)] {
        let (_folder, _, mut bench, reader) = scattered(foreign);
        let claims = std::iter::repeat_with(|| bench.payloads(&reader, max)).take_while(|found| !found.is_empty());
        let expected: Vec<String> = (1..=40).map(|number| number.to_string()).collect();
        assert_eq!(claims.flatten().collect::<Vec<_>>(), expected, "claims of {max}, {foreign} foreign events");
    }
}

/// Claims ten events one by one and lets `give_back` make the third claimable again: it comes next.
#[track_caller]
fn check_comes_back(give_back: impl FnOnce(&mut Bench, &Reader, &std::path::Path, Ticket)) {
    let (_folder, path, mut bench, reader) = scattered(20);
    let claimed: Vec<Event> = (0..10).flat_map(|_| bench.claim(&reader, 1)).collect();
    give_back(&mut bench, &reader, &path, claimed[2].ticket);
    assert_eq!(bench.payloads(&reader, 1), ["3"]);
    assert_eq!(bench.payloads(&reader, 1), ["11"]);
}

#[test]
fn an_event_that_comes_back_is_found_before_where_the_last_search_ended() {
    check_comes_back(|bench, reader, _, ticket| {
        bench.settle(reader, ticket, Verdict::Requeue);
    });
    check_comes_back(|bench, _, path, ticket| {
        let mut other = Bench::open(path, bench.now);
        let owner = other.reader("orders", "");
        other.settle(&owner, ticket, Verdict::Requeue);
    });
}

#[test]
fn a_delayed_event_is_found_before_where_the_last_search_ended() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "o.*");
    bench.publish("orders", vec![NewEvent { delay: Duration::from_secs(5), ..event("o.0", "delayed") }]);
    for number in 1..=40 {
        bench.publish("orders", vec![event("x", "foreign"); 20]);
        bench.publish("orders", vec![event(&format!("o.{number}"), &number.to_string())]);
    }
    assert_eq!(bench.payloads(&reader, 10).len(), 10);
    bench.advance(Duration::from_secs(5));
    assert_eq!(bench.payloads(&reader, 2), ["delayed", "11"]);
}

#[test]
fn an_event_that_failed_waits_behind_those_that_were_there_when_it_failed() {
    for delay in [Duration::ZERO, Duration::from_secs(5)] {
        let (_folder, path) = folder();
        let mut bench = Bench::open(&path, start_of_time());
        let reader = bench.reader("orders", "");
        bench.publish("orders", ["bad", "second", "third"].map(|name| event("t", name)).to_vec());
        let bad = bench.claim(&reader, 1)[0].ticket;
        bench.settle(&reader, bad, Verdict::Retry(delay));
        bench.publish("orders", vec![event("t", "later")]);
        bench.advance(Duration::from_secs(5));
        assert_eq!(bench.payloads(&reader, 9), ["second", "third", "bad", "later"], "{delay:?}");
    }
}

#[test]
fn events_that_fail_for_ever_keep_no_other_from_its_turn() {
    let (_folder, path) = folder();
    let mut bench = Bench::open(&path, start_of_time());
    let reader = bench.reader("orders", "");
    bench.publish("orders", vec![event("t", "bad"); 5]);
    bench.publish("orders", vec![event("t", "good"); 2]);
    let mut taken = Vec::new();
    for _ in 0..12 {
        let event = bench.claim(&reader, 1).remove(0);
        taken.push(String::from_utf8(event.payload.to_vec()).unwrap());
        bench.settle(
            &reader,
            event.ticket,
            if taken.last().unwrap() == "bad" { Verdict::Retry(Duration::ZERO) } else { Verdict::Ack },
        );
    }
    assert_eq!(taken.iter().position(|name| name == "good"), Some(5));
    assert_eq!(taken.iter().filter(|name| *name == "good").count(), 2);
}

#[test]
fn a_rejected_event_is_found_by_a_reader_of_dead_letters_that_searched_before() {
    let (_folder, _, mut bench, reader) = scattered(0);
    let undertaker = bench.reader("orders.dead", "o.*");
    let dead: Vec<_> = (1..=10).map(|n| event(&format!("o.{n}"), "late")).collect();
    let early = bench.claim(&reader, 1)[0].ticket;
    bench.publish("orders.dead", [vec![event("x", "foreign")], dead].concat());
    assert_eq!(bench.payloads(&undertaker, 2), ["late", "late"]);
    bench.settle(&reader, early, Verdict::Reject);
    assert_eq!(bench.payloads(&undertaker, 1), ["1"]);
}
