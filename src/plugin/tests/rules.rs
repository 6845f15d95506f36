//! Rules that need no guest: breaker, account, log gate, parts of a batch, checks of answers.

use super::{group, records};
use crate::plugin::breaker::{Breaker, Gate};
use crate::plugin::log_gate::{LINES_PER_SECOND_MAX, LogGate, escaped};
use crate::plugin::meter::Account;
use crate::plugin::view::{Columns, PART_BYTES_MAX, PART_ROWS_MAX, View};
use crate::plugin::{CallError, NOBODY};

/// Plays `script`: `f` failure, `l` failure of a long call, `s` success, `a` given up, `?` ask,
/// each with a time in ms.
#[track_caller]
fn check(script: &[(u64, char)], want: &[Gate]) {
    let mut breaker = Breaker::default();
    let mut gates = Vec::new();
    for &(now_ms, step) in script {
        match step {
            'f' => drop(breaker.failed(now_ms, 0, 0)),
            // A failure after four seconds in the plugin.
            'l' => drop(breaker.failed(now_ms, 4_000, 0)),
            's' => breaker.succeeded(),
            'a' => breaker.abandoned(now_ms),
            _ => gates.push(breaker.ask(now_ms)),
        }
    }
    assert_eq!(gates, want);
}

#[test]
fn three_failures_in_ten_seconds_open_the_breaker_for_one_second() {
    use Gate::{Pass, Probe, Refuse};
    check(&[(0, 'f'), (1, 'f'), (2, '?')], &[Pass]);
    check(&[(0, 'f'), (1, 'f'), (10_000, 'f'), (10_000, '?')], &[Pass]);
    let opened = [(0, 'f'), (1, 'f'), (2, 'f'), (3, '?'), (1_001, '?'), (1_002, '?'), (1_003, '?')];
    let (before, last) = (Refuse { wait_ms: 999 }, Refuse { wait_ms: 1 });
    check(&opened, &[before, last, Probe, Refuse { wait_ms: 0 }]);
}

#[test]
fn time_in_failing_calls_does_not_spread_failures_apart() {
    use Gate::{Pass, Refuse};
    let long = [(5_000, 'l'), (10_000, 'l'), (15_000, 'l'), (15_000, '?')];
    check(&long, &[Refuse { wait_ms: 1_000 }]);
    let rare = [(5_000, 'l'), (15_000, 'l'), (25_000, 'l'), (25_000, '?')];
    check(&rare, &[Pass]);
}

#[test]
fn a_failed_probe_doubles_the_time_and_a_good_one_closes() {
    use Gate::{Pass, Probe, Refuse};
    let open = [(0, 'f'), (0, 'f'), (0, 'f'), (1_000, '?'), (1_000, 'f')];
    let again = [(2_999, '?'), (3_000, '?'), (3_000, 's'), (3_001, '?')];
    let want = [Probe, Refuse { wait_ms: 1 }, Probe, Pass];
    check(&[&open[..], &again].concat(), &want);
}

#[test]
fn a_probe_that_was_given_up_leaves_the_next_call_to_probe() {
    use Gate::Probe;
    let script = [(0, 'f'), (0, 'f'), (0, 'f'), (1_000, '?'), (1_001, 'a'), (1_001, '?')];
    check(&script, &[Probe, Probe]);
}

#[test]
fn the_breaker_opens_for_at_most_a_minute() {
    let mut breaker = Breaker::default();
    let mut now_ms = 0;
    for _ in 0..3 {
        breaker.failed(now_ms, 0, 0);
    }
    for _ in 0..20 {
        now_ms += breaker.open_for_ms(now_ms).expect("open");
        assert_eq!(breaker.ask(now_ms), Gate::Probe);
        breaker.failed(now_ms, 0, 0);
    }
    assert_eq!(breaker.open_for_ms(now_ms), Some(60_000));
}

#[test]
fn a_bucket_in_debt_says_when_the_next_slice_may_start() {
    let account = Account::new(0.25, 1_000, 0);
    assert_eq!(account.next_slice_ns(0), 0);
    account.charge(1_500);
    assert_eq!(account.next_slice_ns(0), 2_000, "500 ns of debt at a quarter");
    assert_eq!(account.next_slice_ns(2_000), 2_000);
    assert_eq!(account.next_slice_ns(1_000_000), 1_000_000);
    account.charge(1_000);
    assert_eq!(account.next_slice_ns(1_000_000), 1_000_000, "saved at most one burst");
}

#[test]
fn lines_over_the_rate_are_left_out_and_counted() {
    let gate = LogGate::default();
    let second_ns = 1_000_000_000;
    let admitted = (0..100).filter(|_| gate.admit(5).is_some()).count();
    assert_eq!(admitted as u64, LINES_PER_SECOND_MAX);
    assert_eq!(gate.admit(second_ns + 5), Some(100 - LINES_PER_SECOND_MAX));
    assert_eq!(gate.admit(second_ns + 6), Some(0));
}

#[test]
fn a_line_is_cut_and_gives_the_terminal_no_orders() {
    assert_eq!(escaped("a\nb\u{1b}[31m\u{7}"), "a\\nb\\u{1b}[31m\\u{7}");
    let long = escaped(&"ü".repeat(1_000));
    assert_eq!(long.chars().count(), 513, "1,024 bytes and a mark");
    assert!(long.ends_with('…'));
}

#[test]
fn a_batch_is_shown_in_parts_that_keep_to_the_bound() {
    let value = "x".repeat(PART_BYTES_MAX / 4);
    let huge = "y".repeat(3 * PART_BYTES_MAX);
    let mut cells = vec![(Some("k"), Some(value.as_str()), &[][..]); 9];
    cells.push((Some("k"), Some(huge.as_str()), &[][..]));
    let records = records(&cells);
    let columns = Columns { values: true, ..Columns::default() };
    let parts: Vec<_> = View::parts(&records, columns).map(|view| view.rows).collect();
    assert_eq!(parts, [0..3, 3..6, 6..9, 9..10]);
    let keys = Columns { keys: true, ..Columns::default() };
    assert_eq!(View::parts(&records, keys).count(), 1, "values that are not seen cost nothing");
    assert_eq!(View::parts(&super::records(&[]), keys).count(), 1, "an empty batch is one call");
    let many = super::records(&vec![(None, None, &[][..]); PART_ROWS_MAX + 1]);
    let parts: Vec<_> =
        View::parts(&many, Columns::default()).map(|view| view.rows.len()).collect();
    assert_eq!(parts, [PART_ROWS_MAX, 1], "the answer is bounded as well");
}

#[test]
fn an_assignment_is_checked_for_shape_range_and_subscription() {
    let mut input = group(&["a", "b"], &[("x", 2), ("y", 1)]);
    input.members[1].topics = vec![0];
    assert_eq!(input.check(&[0, 1, 0]), Ok(()));
    assert_eq!(input.check(&[NOBODY, 1, NOBODY]), Ok(()));
    for (answer, word) in [
        (&[0, 1][..], "2 owners for 3 places"),
        (&[0, 2, 0], "member 2 of 2 owns partition 1 of x"),
        (&[0, 0, 1], "member-1 owns partition 0 of y without subscribing"),
    ] {
        let Err(CallError::Malformed(text)) = input.check(answer) else { panic!("{answer:?}") };
        assert!(text.contains(word), "{text}");
    }
    input.copies = 2;
    assert!(input.check(&[0, 1, 0, 1, 0, NOBODY]).is_ok());
    assert!(input.check(&[0, 0, 0, 1, 0, NOBODY]).is_err(), "twice for one slot");
}

#[test]
fn equal_subscriptions_share_a_set() {
    let mut input = group(&["a", "b", "c"], &[("x", 1), ("y", 1)]);
    input.members[1].topics = vec![1];
    let sets = input.subscription_sets();
    assert_eq!(sets.set_of_member, [0, 1, 0]);
    assert_eq!(sets.starts, [0, 2, 3]);
    assert_eq!(sets.topics, [0, 1, 1]);
}
