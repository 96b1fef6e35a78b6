//! `wellstream txn`: transactions on the brokers, and an end to one whose holder does not end it.

use std::io::{self, Write};

use serde::Serialize;
use wellstream_connectors::MachineClock;
use wellstream_connectors::native::transactions::{
    HowEnded, Listing, Transaction, TransactionState, Transactions, hangs,
};

use crate::args::TxnListArgs;
use crate::console::{ALERT, age, clean, thousands};
use crate::exit::Failure;
use crate::kafka;
use crate::settings::Settings;

/// One line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    transactional_id: &'a str,
    state: &'a str,
    open: bool,
    hanging: bool,
    producer_id: i64,
    producer_epoch: i16,
    coordinator: i32,
    coordinator_address: String,
    started: Option<i64>,
    age_ms: Option<i64>,
    timeout_ms: i32,
    partitions: Vec<Place<'a>>,
}

/// A partition that a transaction holds.
#[derive(Serialize)]
struct Place<'a> {
    topic: &'a str,
    partition: i32,
}

/// A transaction, and what this moment says of it.
struct Shown<'a> {
    transaction: &'a Transaction,
    age_ms: Option<i64>,
    hangs: bool,
}

/// Lists transactional ids, as a table or as JSON lines.
pub(crate) fn list(settings: &Settings, args: &TxnListArgs) -> Result<(), Failure> {
    let mut transactions = open(settings, "txn list")?;
    let listing = transactions.list(&args.id).map_err(kafka::failure)?;
    let now_ms = MachineClock::start().wall_ms();
    let older_than_ms = args.older_than.map(|span| span.ms());
    let shown: Vec<Shown<'_>> = listing
        .transactions
        .iter()
        .filter(|transaction| !args.open || transaction.state.is_open())
        .map(|transaction| Shown::now(transaction, older_than_ms, now_ms))
        .collect();
    let mut out = anstream::stdout().lock();
    match args.json {
        true => lines(&mut out, &shown)?,
        false => table(&mut out, &shown)?,
    }
    out.flush()?;
    unheard(&listing)
}

/// Aborts what is open under the transactional id, or says what would be done.
pub(crate) fn abort(settings: &Settings, yes: bool) -> Result<(), Failure> {
    let id = settings.transactional_id.as_deref();
    let id = id.ok_or_else(|| Failure::usage("txn abort needs --transactional-id ID"))?;
    let mut transactions = open(settings, "txn abort")?;
    let found = transactions.describe(id).map_err(kafka::failure)?;
    let mut out = io::stdout().lock();
    let now_ms = MachineClock::start().wall_ms();
    writeln!(out, "{}", sentence(&Shown::now(&found, None, now_ms)))?;
    if found.state.is_ending() {
        return Err(Failure::Runtime(anyhow::anyhow!(
            "{id} is in {}: its end is decided and cannot be changed; it is over once the leaders of its partitions \
             have heard of it. Look at these brokers",
            found.state.name()
        )));
    }
    if !found.state.is_open() {
        writeln!(out, "nothing is open under it: there is nothing to do")?;
        return Ok(());
    }
    writeln!(
        out,
        "aborting it throws away what it holds and takes the id from the program that has it, which ends with an \
         error; started again, it goes on from its committed offsets"
    )?;
    if !yes {
        writeln!(out, "nothing is done so far; do it with --yes")?;
        return Ok(());
    }
    let ended = transactions.abort(&found).map_err(kafka::failure)?;
    let what = match ended.how {
        HowEnded::Aborted => "aborted",
        HowEnded::Committed => {
            "committed: its program had asked for that before; it has lost the id all the same"
        }
        HowEnded::ByItself => {
            "it was over before it could be aborted; its program has lost the id all the same"
        }
    };
    writeln!(
        out,
        "{what}. The id is now that of producer {}, epoch {}",
        ended.producer.id, ended.producer.epoch
    )?;
    Ok(())
}

fn open(settings: &Settings, command: &str) -> Result<Transactions, Failure> {
    Transactions::open(&kafka::settings(settings, command)?).map_err(kafka::failure)
}

impl Shown<'_> {
    fn now(transaction: &Transaction, older_than_ms: Option<i64>, now_ms: i64) -> Shown<'_> {
        let (started_ms, timeout_ms) = (transaction.started_ms, transaction.timeout_ms);
        Shown {
            transaction,
            // Clocks of brokers may be ahead of this one.
            age_ms: started_ms.map(|started_ms| (now_ms - started_ms).max(0)),
            hangs: hangs(&transaction.state, started_ms, timeout_ms, older_than_ms, now_ms),
        }
    }

    fn age(&self) -> String {
        self.age_ms.map_or_else(|| "-".to_owned(), age)
    }
}

fn lines(out: &mut impl Write, shown: &[Shown<'_>]) -> io::Result<()> {
    for Shown { transaction, age_ms, hangs } in shown {
        let partitions = transaction.partitions.iter();
        let line = Line {
            transactional_id: &transaction.id,
            state: transaction.state.name(),
            open: transaction.state.is_open(),
            hanging: *hangs,
            producer_id: transaction.producer.id,
            producer_epoch: transaction.producer.epoch,
            coordinator: transaction.coordinator.id,
            coordinator_address: transaction.coordinator.address.to_string(),
            started: transaction.started_ms,
            age_ms: *age_ms,
            timeout_ms: transaction.timeout_ms,
            partitions: partitions.map(|(topic, partition)| Place { topic, partition: *partition }).collect(),
        };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(())
}

fn table(out: &mut impl Write, shown: &[Shown<'_>]) -> io::Result<()> {
    writeln!(
        out,
        "{:<34} {:<14} {:>9} {:>6} {:>7} {:>7} {:>7}  partitions",
        "transactional id", "state", "producer", "epoch", "broker", "age", "limit"
    )?;
    for row in shown {
        let transaction = row.transaction;
        let style = if row.hangs { ALERT } else { anstyle::Style::new() };
        let line = format!(
            "{:<34} {:<14} {:>9} {:>6} {:>7} {:>7} {:>7}  {}{}",
            clean(&transaction.id, ID_WIDTH),
            clean(transaction.state.name(), 14),
            transaction.producer.id,
            transaction.producer.epoch,
            transaction.coordinator.id,
            row.age(),
            age(i64::from(transaction.timeout_ms)),
            if row.hangs { "HANGING " } else { "" },
            places(transaction),
        );
        writeln!(out, "{style}{}{style:#}", line.trim_end())?;
    }
    let count =
        |of: &dyn Fn(&Shown<'_>) -> bool| thousands(shown.iter().filter(|row| of(row)).count() as u64);
    let (open, hanging) = (count(&|row| row.transaction.state.is_open()), count(&|row| row.hangs));
    writeln!(out, "{} transactional ids, {open} open, {hanging} hanging", thousands(shown.len() as u64))?;
    if hanging != "0" {
        writeln!(out, "readers of committed records wait for those; end one with: wellstream txn abort")?;
    }
    Ok(())
}

/// Who has the id, and what is open under it.
fn sentence(shown: &Shown<'_>) -> String {
    let transaction = shown.transaction;
    let since = match transaction.state {
        TransactionState::Empty => String::new(),
        _ => format!(", begun {} ago", shown.age()),
    };
    let holds = match transaction.partitions.is_empty() {
        true => String::new(),
        false => format!("; it holds {}", places(transaction)),
    };
    format!(
        "{}: {}{since}, at most {} allowed, producer {}, epoch {}, coordinated by broker {} ({}){holds}",
        clean(&transaction.id, usize::MAX),
        transaction.state.name(),
        age(i64::from(transaction.timeout_ms)),
        transaction.producer.id,
        transaction.producer.epoch,
        transaction.coordinator.id,
        transaction.coordinator.address,
    )
}

/// The partitions as `rows[0-2,5] alarms[1]`: they are sorted.
fn places(transaction: &Transaction) -> String {
    let mut topics: Vec<(&str, Vec<(i32, i32)>)> = Vec::new();
    for (topic, number) in &transaction.partitions {
        if topics.last().is_none_or(|(last, _)| last != topic) {
            topics.push((topic, Vec::new()));
        }
        let Some((_, spans)) = topics.last_mut() else { continue };
        match spans.last_mut() {
            Some((_, to)) if *to + 1 == *number => *to = *number,
            _ => spans.push((*number, *number)),
        }
    }
    let span = |(from, to): &(i32, i32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
    let topics = topics.iter().map(|(topic, spans)| {
        let spans: Vec<_> = spans.iter().map(span).collect();
        format!("{}[{}]", clean(topic, usize::MAX), spans.join(","))
    });
    topics.collect::<Vec<_>>().join(" ")
}

/// A list without what some brokers coordinate is worth showing, and no success.
fn unheard(listing: &Listing) -> Result<(), Failure> {
    match listing.unheard.as_slice() {
        [] => Ok(()),
        [(broker, error), ..] => Err(Failure::Runtime(anyhow::anyhow!(
            "the list is not whole: {} brokers did not answer; broker {}: {error}",
            listing.unheard.len(),
            broker.id
        ))),
    }
}

/// What is shown of a transactional id in a table.
const ID_WIDTH: usize = 34;

#[cfg(test)]
mod tests {
    use super::*;

    fn transaction(partitions: &[(&str, i32)]) -> Transaction {
        use wellstream_connectors::native::transactions::{Address, Broker, ProducerIdentity};
        Transaction {
            id: "wellstream-a".to_owned(),
            state: TransactionState::Ongoing,
            producer: ProducerIdentity { id: 7, epoch: 3 },
            coordinator: Broker { id: 1, address: Address { host: "k".to_owned(), port: 9 } },
            timeout_ms: 10_000,
            started_ms: Some(1_000),
            partitions: partitions.iter().map(|(topic, number)| ((*topic).to_owned(), *number)).collect(),
        }
    }

    #[test]
    fn partitions_in_a_row_are_one_span() {
        let found = transaction(&[("alarms", 1), ("rows", 0), ("rows", 1), ("rows", 2), ("rows", 5)]);
        assert_eq!(places(&found), "alarms[1] rows[0-2,5]");
        assert_eq!(places(&transaction(&[])), "");
    }

    #[test]
    fn a_table_marks_what_hangs_and_counts_it() {
        let (quiet, hanging) = (transaction(&[("rows", 0)]), transaction(&[("rows", 1)]));
        let shown = [Shown::now(&quiet, None, 11_000), Shown::now(&hanging, Some(3_000), 5_000)];
        let mut out = Vec::new();
        table(&mut anstream::StripStream::new(&mut out), &shown).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert!(rows[1].ends_with("10 s    10 s  rows[0]"), "{text}");
        assert!(rows[2].ends_with("4 s    10 s  HANGING rows[1]"), "{text}");
        assert_eq!(rows[3], "2 transactional ids, 2 open, 1 hanging");
        assert!(rows[4].contains("wellstream txn abort"), "{text}");
    }
}
