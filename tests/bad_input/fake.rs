//! A service with OpenAI's protocol that answers prompts as badly as a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

/// What must never be seen anywhere but on its way to the service.
pub const KEY: &str = "sk-not-to-be-shown-0123456789abcdef";
/// A word of the prompt, which no error and no log may hold.
pub const WORD: &str = "zebracadabra";

/// A program whose home, configuration and log are its own, on a fake service.
pub struct Fake {
    pub address: String,
    /// Requests that carried a prompt, head and body.
    pub asked: Arc<Mutex<Vec<String>>>,
    folder: TempDir,
}

/// The end of a streamed answer.
pub const DONE: &str = "data: {\"id\":\"x\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\
\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n";

/// A piece of a streamed answer.
pub fn piece(text: &str) -> String {
    let delta = serde_json::json!({ "role": "assistant", "content": text });
    let choices = serde_json::json!([{ "index": 0, "delta": delta, "finish_reason": null }]);
    format!("data: {}\n\n", serde_json::json!({ "id": "x", "model": "m", "choices": choices }))
}

/// A head, and what follows until the connection is closed.
pub fn http(status: &str, kind: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n{body}")
}

pub fn sse(body: &str) -> String {
    http("200 OK", "text/event-stream", body)
}

/// An answer that is not streamed, as `--json` and batches ask for.
pub fn whole(text: &str) -> String {
    let message = serde_json::json!({ "role": "assistant", "content": text });
    let body = serde_json::json!({
        "id": "x", "model": "m", "choices": [{ "index": 0, "message": message, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
    });
    http("200 OK", "application/json", &body.to_string())
}

impl Fake {
    /// Starts it. `answer` gets the request, head and body, and writes whatever it likes.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::with_models(&http("200 OK", "application/json", r#"{"object":"list","data":[{"id":"m"}]}"#), answer)
    }

    /// The same, with what it answers to whoever asks for its models.
    pub fn with_models(models: &str, answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (models, answer, seen) = (models.to_owned(), Arc::new(answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (models, answer, seen) = (models.clone(), Arc::clone(&answer), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let request = read(&stream);
                    if request.starts_with("POST ") {
                        seen.lock().expect("no panic under this lock").push(request.clone());
                        answer(&request, &mut stream);
                    } else {
                        drop(stream.write_all(models.as_bytes()));
                    }
                });
            }
        });
        let fake = Self { address, asked, folder: tempfile::tempdir().expect("a folder") };
        let config = format!(
            "default_backends = false\ndefault_tier = \"frontier\"\nfallback_chain = [\"frontier\"]\nmax_attempts = 1\n\
             [tiers.frontier]\nfirst_token_timeout_ms = 30000\nstall_timeout_ms = 30000\n\
             [log]\nlevel = \"trace\"\n\
             [[backends]]\nid = \"fake\"\ntier = \"frontier\"\nprotocol = \"openai\"\nurl = \"http://{}/v1\"\n\
             api_key_env = \"FAKE_KEY\"\nmodels = [{{ id = \"m\", free = true }}]\n",
            fake.address
        );
        std::fs::write(fake.path("config.toml"), config).expect("written");
        fake
    }

    /// Changes the configuration.
    pub fn configure(&self, from: &str, to: &str) {
        let config = std::fs::read_to_string(self.path("config.toml")).expect("there");
        assert!(config.contains(from), "{from}: {config}");
        std::fs::write(self.path("config.toml"), config.replace(from, to)).expect("written");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program, told to use this service.
    pub fn llm_call(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cargo_bin("llm-call"));
        command.env_clear().stdin(Stdio::null());
        for (name, value) in self.environment() {
            command.env(name, value);
        }
        command.args(args);
        command
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = self.folder.path().display();
        vec![
            ("HOME", folder.to_string()),
            ("LLM_CALL_STATE", folder.to_string()),
            ("LLM_CALL_CONFIG", self.path("config.toml").display().to_string()),
            ("FAKE_KEY", KEY.to_owned()),
        ]
    }

    pub fn run(&self, args: &[&str]) -> super::Ran {
        super::ran(&mut self.llm_call(args))
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("llm-call.log")).expect("there is a log")
    }
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
        let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    head + &String::from_utf8_lossy(&body)
}
