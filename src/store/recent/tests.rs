//! What is recorded can be read again, by whoever may and no one else.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::analysis::analyse;
use crate::domain::decision::decide;
use crate::domain::fleet::Fleet;
use crate::domain::money::Money;
use crate::domain::policy::Policy;
use crate::domain::privacy::Guarded;
use crate::domain::prompt::Prompt;
use crate::domain::request::{Optimize, Privacy, Request};
use crate::domain::spend::{Day, Spend};
use crate::domain::task::Task;
use crate::domain::tier::Tier;

const NOW: Timestamp = Timestamp(1_795_000_000_000);

fn decision(text: &str, constraints: Constraints, at: Timestamp) -> Arc<Decision> {
    let prompt = Arc::new(Prompt::user(text));
    let analysis = analyse(&prompt, constraints.task);
    let policy = Policy::default();
    let guarded = Guarded::inspect(Arc::clone(&prompt), constraints.privacy, &policy.guard);
    let request =
        Request { id: RequestId(uuid::Uuid::now_v7()), prompt, constraints, caller: Arc::from("test"), chance: 1.0 };
    let fleet = Fleet::new(Vec::new(), Spend::new(at, Day(0), None));
    Arc::new(decide(request.matter(&analysis, guarded.verdict()), &fleet, &policy, at))
}

fn decided(text: &str, number: i64) -> Fact {
    Fact::Decided(decision(text, Constraints::default(), Timestamp(NOW.0 + number)))
}

/// Records the facts in a folder, as one process.
async fn recorded(folder: &Path, facts: impl IntoIterator<Item = Fact>) {
    let (sender, receiver) = broadcast::channel(64);
    let recorder = Recorder::start(folder, false, receiver);
    for fact in facts {
        sender.send(fact).expect("somebody listens");
        tokio::task::yield_now().await;
    }
    recorder.stop().await;
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[tokio::test]
async fn what_is_told_before_the_end_is_in_the_file_and_the_prompt_is_not() {
    let folder = folder();
    let text = "Explain the zebracadabra to ada@example.org";
    recorded(&folder.path().join("deeper"), [decided(text, 1), decided("hi", 2)]).await;
    let found = read(&folder.path().join("deeper"), false).expect("readable");
    assert_eq!((found.asked.len(), found.skipped), (2, 0));
    assert_eq!(found.asked[0].at, Timestamp(NOW.0 + 2), "newest first");
    assert_eq!(found.asked[1].matter().verdict.ruling, Ruling::KeepAsFound);
    let file = fs::read_to_string(folder.path().join("deeper").join(FILE_NAME)).expect("readable");
    for word in ["zebracadabra", "Explain", "explain ", "ada", "start"] {
        assert!(!file.contains(word), "{word} in {file}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    recorded(folder.path(), [decided("hi", 1)]).await;
    let about = fs::metadata(folder.path().join(FILE_NAME)).expect("there is one");
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_demonstration_has_a_file_of_its_own() {
    let folder = folder();
    recorded(folder.path(), [decided("hi", 1)]).await;
    assert!(read(folder.path(), true).expect("no file is no error").asked.is_empty());
}

#[tokio::test]
async fn what_cannot_be_read_is_skipped_and_counted() {
    let folder = folder();
    recorded(folder.path(), [decided("hi", 1)]).await;
    let path = folder.path().join(FILE_NAME);
    let good = fs::read_to_string(&path).expect("readable");
    let later = good.replace("\"form\":2", "\"form\":3");
    let torn = &good[..good.len() / 2];
    let bytes = [good.as_bytes(), b"\n{}\n\xff\xfe\n", later.as_bytes(), torn.as_bytes(), b"\n"].concat();
    fs::write(&path, bytes).expect("written");
    let found = read(folder.path(), false).expect("readable");
    assert_eq!((found.asked.len(), found.skipped), (1, 4));
}

#[tokio::test]
async fn two_processes_write_whole_lines_into_one_file() {
    let folder = folder();
    let many = |from: i64| (from..from + 50).map(|number| decided("hi", number));
    tokio::join!(recorded(folder.path(), many(0)), recorded(folder.path(), many(1_000)));
    let found = read(folder.path(), false).expect("readable");
    assert_eq!((found.asked.len(), found.skipped), (100, 0));
    assert!(found.asked.is_sorted_by(|one, other| one.at >= other.at));
}

#[tokio::test]
async fn a_file_that_has_grown_too_large_keeps_its_newest_lines() {
    let folder = folder();
    recorded(folder.path(), [decided("hi", 0)]).await;
    let path = folder.path().join(FILE_NAME);
    let line = fs::read_to_string(&path).expect("readable");
    let many = usize::try_from(LARGEST).expect("it fits") / line.len() + 1;
    fs::write(&path, line.repeat(many)).expect("written");
    recorded(folder.path(), [decided("hi", 7)]).await;
    let found = read(folder.path(), false).expect("readable");
    assert_eq!((found.asked.len(), found.asked[0].at), (KEPT, Timestamp(NOW.0 + 7)));
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "nothing is left lying about");
}

#[tokio::test]
async fn a_listener_that_falls_behind_goes_on_with_what_is_left() {
    let folder = folder();
    let (sender, receiver) = broadcast::channel(4);
    (0..20).for_each(|number| drop(sender.send(decided("hi", number))));
    let recorder = Recorder::start(folder.path(), false, receiver);
    recorder.stop().await;
    let found = read(folder.path(), false).expect("readable");
    assert_eq!((found.asked.len(), found.asked[0].at), (4, Timestamp(NOW.0 + 19)));
}

#[tokio::test]
async fn a_folder_that_cannot_be_had_ends_nothing() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    recorded(file.path(), [decided("hi", 1)]).await;
    let (sender, receiver) = broadcast::channel(4);
    let recorder = Recorder::start(file.path(), false, receiver);
    drop(sender);
    tokio::time::timeout(Duration::from_secs(5), recorder.stop()).await.expect("it ends with the engine");
}

proptest! {
    /// Whatever was asked: what is read decides as what was written.
    #[test]
    fn a_line_read_again_is_about_the_same(
        text in "[a-zA-Z0-9 @.]{0,80}",
        tier in proptest::option::of(proptest::sample::select(Tier::ALL.as_slice())),
        cost in proptest::option::of(any::<i64>()),
        latency in proptest::option::of(any::<u32>()),
        task in proptest::option::of(proptest::sample::select(Task::ALL.as_slice())),
        model in proptest::option::of("\\PC{0,20}"),
        private in any::<bool>(),
    ) {
        let constraints = Constraints {
            tier, task, max_cost: cost.map(Money), max_latency_ms: latency,
            model: model.map(Into::into),
            privacy: if private { Privacy::High } else { Privacy::Standard },
            optimize: Optimize::Cost,
            ..Constraints::default()
        };
        let written = decision(&text, constraints, NOW);
        let bytes = line(&Fact::Decided(Arc::clone(&written))).expect("a line");
        prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1);
        let read = Asked::from(serde_json::from_slice::<Line>(&bytes).expect("readable"));
        let matter = read.matter();
        prop_assert_eq!(matter.request, written.request);
        prop_assert_eq!(matter.constraints, &written.constraints);
        prop_assert_eq!(&matter.analysis.needs, &written.analysis.needs);
        prop_assert_eq!((matter.analysis.task, matter.analysis.complexity), (written.analysis.task, written.analysis.complexity));
        prop_assert_eq!(matter.verdict.ruling, written.verdict.ruling);
        let kinds = |verdict: &Verdict| verdict.findings.iter().map(|finding| finding.kind).collect::<BTreeSet<_>>();
        prop_assert_eq!(kinds(matter.verdict), kinds(&written.verdict), "of what was found, the kinds");
    }
}
