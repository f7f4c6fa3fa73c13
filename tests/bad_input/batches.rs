//! Batches: files that are wrong, and interruptions.

use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use serde_json::Value;

use super::endings::signal;
use super::fake::{Fake, WORD, http, whole};
use super::fed;

fn batch(fake: &Fake, input: &[u8]) -> super::Ran {
    let (from, to) = (fake.path("in.jsonl"), fake.path("out.jsonl"));
    std::fs::write(&from, input).expect("written");
    fake.run(&["batch", from.to_str().expect("UTF-8"), "-o", to.to_str().expect("UTF-8")])
}

fn answers(fake: &Fake) -> Vec<Value> {
    let text = std::fs::read_to_string(fake.path("out.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("whole lines only")).collect()
}

#[test]
fn every_wrong_line_is_told_before_anything_is_sent() {
    let fake = Fake::start(|_, stream| drop(stream.write_all(whole("yes").as_bytes())));
    let input = format!(
        "\"fine\"\n{WORD}\n{{\"promt\":\"x\"}}\n\"\"\n{{\"prompt\":5}}\n[1]\n{{\"id\":\"a\",\"prompt\":\"x\"}}\n\
         {{\"id\":\"a\",\"prompt\":\"y\"}}\n{{\"id\":\"line-1\",\"prompt\":\"z\"}}\n"
    );
    let ran = batch(&fake, &[input.as_bytes(), b"\"\xff\"\n"].concat());
    assert_eq!(ran.code, 2, "{ran:?}");
    for part in [
        "line 2: not JSON",
        "line 3: an object without `prompt`",
        "line 4: the prompt is empty",
        "line 5: `prompt` is not a string",
        "line 6: neither",
        "line 8: the id `a` is that of line 7 already",
        "line 9: the id `line-1` is that of line 1 already",
        "line 10: it is not UTF-8",
    ] {
        assert!(ran.err.contains(part), "{part}: {}", ran.err);
    }
    assert!(!ran.err.contains(WORD) && !fake.path("out.jsonl").exists());
    let ran = batch(&fake, "plain text\n".repeat(5000).as_bytes());
    assert!(ran.code == 2 && ran.err.contains("and 4990 more") && ran.err.lines().count() < 15, "{}", ran.err);
    assert!(fake.asked.lock().expect("no panic under this lock").is_empty());
}

#[test]
fn files_from_windows_are_read_and_an_empty_one_is_said_to_be() {
    let fake = Fake::start(|_, stream| drop(stream.write_all(whole("yes").as_bytes())));
    let ran = batch(&fake, "\u{feff}\"one\"\r\n\r\n{\"id\":7,\"prompt\":\"two\"}\r\n".as_bytes());
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut ids: Vec<String> = answers(&fake).iter().map(|line| line["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"7\"", "\"line-1\""]);
    let ran = batch(&fake, b"\n");
    assert!(ran.code == 0 && ran.err.contains("holds no prompts"), "{ran:?}");
}

#[test]
fn paths_that_cannot_be_used_are_usage_errors() {
    let fake = Fake::start(|_, _| {});
    let input = fake.path("prompts.jsonl");
    std::fs::write(&input, "\"one\"").expect("written");
    let (input, folder) = (input.to_str().expect("UTF-8"), fake.path(""));
    for (from, to, why) in [
        (input, input, "both input and output"),
        ("/nonexistent", "out", "cannot read /nonexistent"),
        (input, folder.to_str().expect("UTF-8"), "cannot read"),
        (input, "/nonexistent/out", "cannot write /nonexistent/out"),
        (input, "/proc/llm-call", "cannot write"),
    ] {
        let ran = fake.run(&["batch", from, "-o", to]);
        assert!(ran.code == 2 && ran.err.contains(why), "{from} {to} {ran:?}");
    }
    assert_eq!(std::fs::read_to_string(input).expect("there"), "\"one\"");
}

#[test]
fn pipes_serve_as_files() {
    let fake = Fake::start(|_, stream| drop(stream.write_all(whole("yes").as_bytes())));
    let ran = fed(&mut fake.llm_call(&["batch", "-", "-o", "-"]), b"\"one\"\n\"two\"\n");
    assert!(ran.code == 0 && ran.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 2);
    if std::path::Path::new("/dev/full").exists() {
        let ran = fed(&mut fake.llm_call(&["batch", "-", "-o", "/dev/stdout"]), b"\"one\"\n");
        assert!(ran.code == 0 && ran.out.lines().count() == 1, "{ran:?}");
        let ran = fed(&mut fake.llm_call(&["batch", "-", "-o", "/dev/full"]), b"\"one\"\n");
        assert!(ran.code == 1 && ran.err.contains("cannot write /dev/full"), "{ran:?}");
    }
}

#[test]
fn a_failed_line_says_why_and_is_sent_again_by_the_next_run() {
    let fake = Fake::start(|asked, stream| {
        let page = http("500 Oops", "text/html", "<html>");
        let answer = if asked.contains("bad") { page } else { whole("yes") };
        drop(stream.write_all(answer.as_bytes()));
    });
    for sent in [2, 3] {
        let ran = batch(&fake, b"{\"id\":\"a\",\"prompt\":\"good\"}\n{\"id\":\"b\",\"prompt\":\"bad\"}\n");
        assert!(ran.code == 1 && ran.err.contains("HTTP 500"), "{ran:?}");
        assert_eq!(fake.asked.lock().expect("no panic under this lock").len(), sent);
    }
    assert_eq!(answers(&fake).iter().filter(|line| line["ok"] == true).count(), 1);
}

#[test]
#[cfg(unix)]
fn an_interrupted_batch_keeps_what_it_has_and_goes_on_with_the_rest() {
    let (answering, served) = (Arc::new(AtomicUsize::new(2)), mpsc::channel());
    let (left, arrived) = (Arc::clone(&answering), served.0);
    let fake = Fake::start(move |_, stream| {
        arrived.send(()).expect("somebody counts");
        let less = |left: usize| left.checked_sub(1);
        if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_err() {
            std::thread::park();
        }
        drop(stream.write_all(whole("yes").as_bytes()));
    });
    let (from, to) = (fake.path("in.jsonl"), fake.path("out.jsonl"));
    std::fs::write(&from, "\"one\"\n\"two\"\n\"three\"\n\"four\"\n").expect("written");
    let args = ["batch", "--concurrency", "2", from.to_str().expect("UTF-8"), "-o", to.to_str().expect("UTF-8")];
    let child = fake.llm_call(&args).stderr(Stdio::piped()).spawn().expect("the program starts");
    // With two at once, the fourth is sent when the second has been answered and its answer written.
    for _ in 0..4 {
        served.1.recv_timeout(Duration::from_secs(30)).expect("the next request");
    }
    assert_eq!(answers(&fake).len(), 2);
    // Meanwhile nobody else may write the same file.
    let ran = fake.run(&args);
    assert!(ran.code == 2 && ran.err.contains("another batch is writing it"), "{ran:?}");
    signal(child.id(), "INT");
    let output = child.wait_with_output().expect("it ends");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(130) && err.contains("run the same command again"), "{err}");
    answering.store(usize::MAX, Ordering::SeqCst);
    let ran = fake.run(&args);
    assert!(ran.code == 0 && ran.err.contains("2 of 4 are answered already"), "{ran:?}");
    let mut ids: Vec<String> = answers(&fake).iter().map(|line| line["id"].to_string()).collect();
    ids.sort();
    assert_eq!(ids, ["\"line-1\"", "\"line-2\"", "\"line-3\"", "\"line-4\""]);
}

#[test]
#[cfg(unix)]
fn what_is_in_flight_when_the_system_ends_a_batch_arrives_and_no_more_is_begun() {
    let ((tell, arrived), (release, wait)) = (mpsc::channel(), mpsc::channel());
    let (tell, wait) = (std::sync::Mutex::new(tell), std::sync::Mutex::new(wait));
    let fake = Fake::start(move |_, stream| {
        let _ = tell.lock().expect("no panic under this lock").send(());
        // Without anybody to release it, it answers at once.
        let _: Result<(), _> = wait.lock().expect("no panic under this lock").recv();
        drop(stream.write_all(whole("paid for").as_bytes()));
    });
    let input = fake.path("in.jsonl");
    std::fs::write(&input, "\"one\"\n\"two\"\n\"three\"\n").expect("written");
    let output = fake.path("out.jsonl");
    let mut child = fake
        .llm_call(&["batch", input.to_str().expect("UTF-8"), "--concurrency", "1", "-o"])
        .arg(&output)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    arrived.recv().expect("a prompt arrives");
    signal(child.id(), "TERM");
    release.send(()).expect("the service listens");
    drop(release);
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
    let answers = answers(&fake);
    assert!(answers.iter().all(|line| line["ok"] == true && line["text"] == "paid for"), "{answers:?}");
    assert!((1..3).contains(&answers.len()), "{answers:?}");
}
