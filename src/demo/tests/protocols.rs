//! Each protocol as it is when nothing is wrong.

use super::*;

#[tokio::test]
async fn every_protocol_answers_whole() {
    let bench = Bench::new().await;
    for (id, speaks) in CHATS {
        let got = read(bench.ask(id, speaks, "Explain how a scheduler decides", false).send().await.unwrap()).await;
        assert_eq!((got.status, got.proper), (200, true), "{id}: {}", got.text);
        assert!(got.kind.starts_with("application/json"), "{id}: {}", got.kind);
        assert!(text_of(speaks, &got.json()).len() > 300, "{id}: {}", got.text);
    }
}

#[tokio::test]
async fn every_protocol_answers_in_pieces_and_ends_with_its_mark() {
    let bench = Bench::new().await;
    for (id, speaks) in CHATS {
        let got = read(bench.ask(id, speaks, "Explain how a scheduler decides", true).send().await.unwrap()).await;
        let (events, ended) = events(speaks, &got.text);
        assert!(got.status == 200 && got.proper && ended, "{id}: {}", got.text);
        let pieces = events.iter().filter(|event| !text_of(speaks, event).is_empty()).count();
        assert!(pieces > 10, "{id}: {pieces} pieces");
        let mime = if speaks == Speaks::Ollama { "application/x-ndjson" } else { "text/event-stream" };
        assert!(got.kind.starts_with(mime), "{id}: {}", got.kind);
    }
}

#[tokio::test]
async fn anthropic_streams_in_its_order() {
    let bench = Bench::new().await;
    let got = read(bench.ask("anthropic", Speaks::Anthropic, "hello", true).send().await.unwrap()).await;
    let (events, _) = events(Speaks::Anthropic, &got.text);
    let mut kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert!(events[0]["message"]["usage"]["input_tokens"].as_u64().unwrap() > 0);
    assert!(events[events.len() - 2]["usage"]["output_tokens"].as_u64().unwrap() > 5);
}

#[tokio::test]
async fn anthropic_reads_a_known_beginning_from_its_cache() {
    let bench = Bench::new().await;
    let system = json!([{ "type": "text", "text": "be brief ".repeat(600), "cache_control": { "type": "ephemeral" } }]);
    let mut usages = Vec::new();
    for _ in 0..2 {
        let key = bench.key("anthropic");
        let request =
            bench.ask_with("anthropic", Speaks::Anthropic, "hi", false, key.as_deref(), json!({ "system": system }));
        usages.push(read(request.send().await.unwrap()).await.json()["usage"].clone());
    }
    assert!(usages[0]["cache_creation_input_tokens"].as_u64().unwrap() > 1_000);
    assert_eq!(usages[0]["cache_creation_input_tokens"], usages[1]["cache_read_input_tokens"]);
    assert_eq!(usages[1]["cache_creation_input_tokens"], 0);
}

#[tokio::test]
async fn litellm_tells_the_cost() {
    let bench = Bench::new().await;
    let response = bench.ask("litellm", Speaks::Openai, "hello", false).send().await.unwrap();
    let cost = response.headers()["x-litellm-response-cost"].to_str().unwrap().to_owned();
    assert!(cost.parse::<f64>().unwrap() > 0.0, "{cost}");
    let response = bench.ask("litellm", Speaks::Openai, "hello", true).send().await.unwrap();
    assert!(!response.headers().contains_key("x-litellm-response-cost"));
    let (events, _) = events(Speaks::Openai, &read(response).await.text);
    assert!(events.last().unwrap()["usage"]["cost"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_each_api_s_own_way() {
    let bench = Bench::new().await;
    for (id, speaks) in CHATS.into_iter().filter(|(_, speaks)| *speaks != Speaks::Ollama) {
        for key in [Some("wrong"), None] {
            let got = read(bench.ask_with(id, speaks, "hi", false, key, Value::Null).send().await.unwrap()).await;
            assert_eq!(got.status, if speaks == Speaks::Gemini { 400 } else { 401 }, "{id}: {}", got.text);
            match id {
                "anthropic" => assert_eq!(got.json()["error"]["type"], "authentication_error"),
                "gemini" => assert_eq!(got.json()["error"]["details"][0]["reason"], "API_KEY_INVALID"),
                "litellm" => assert_eq!(got.json()["error"]["type"], "auth_error"),
                "openai" => assert_eq!(got.json()["error"]["code"], "invalid_api_key"),
                _ => {}
            }
        }
    }
    assert!(bench.simulation.log().iter().all(|seen| seen.usage.output == 0));
}

#[tokio::test]
async fn tools_and_json_come_as_asked() {
    let bench = Bench::new().await;
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let named = json!({ "name": "get_weather", "description": "Weather", "parameters": schema });
    let function = json!({ "tools": [{ "type": "function", "function": named }] });
    let extra = |speaks| match speaks {
        Speaks::Anthropic => json!({ "tools": [{ "name": "get_weather", "input_schema": schema }] }),
        Speaks::Gemini => json!({ "tools": [{ "functionDeclarations": [named] }] }),
        Speaks::Ollama | Speaks::Openai => function.clone(),
    };
    for (id, speaks) in CHATS {
        for stream in [false, true] {
            let key = bench.key(id);
            let text = "Call get_weather for Bergen";
            let request = bench.ask_with(id, speaks, text, stream, key.as_deref(), extra(speaks));
            let got = read(request.send().await.unwrap()).await;
            assert!(
                got.status == 200 && got.text.contains("get_weather") && got.text.contains("Berg"),
                "{id}: {}",
                got.text
            );
        }
    }
    let format = json!({ "response_format": { "type": "json_object" } });
    let key = bench.key("openai");
    let request = bench.ask_with("openai", Speaks::Openai, "hello", false, key.as_deref(), format);
    let text = text_of(Speaks::Openai, &read(request.send().await.unwrap()).await.json());
    assert!(serde_json::from_str::<Value>(&text).unwrap()["answer"].is_string(), "{text}");
}

#[tokio::test]
async fn ollama_loads_models_and_watches_its_window() {
    let bench = Bench::new().await;
    let ps = async || read(bench.client.get(bench.url("mac-studio", "/api/ps")).send().await.unwrap()).await.json();
    assert_eq!(ps().await["models"], json!([]));
    let ask =
        |options: Value| bench.ask_with("mac-studio", Speaks::Ollama, &"word ".repeat(8_000), false, None, options);
    let long = json!({ "options": { "num_ctx": 4_096 }, "truncate": false });
    let got = read(ask(long).send().await.unwrap()).await;
    assert_eq!(got.status, 400);
    assert!(got.text.contains("longer than the context length"));
    let cut = read(ask(json!({ "options": { "num_ctx": 4_096 } })).send().await.unwrap()).await.json();
    assert!(cut["prompt_eval_count"].as_u64().unwrap() < 4_096);
    assert!(cut["load_duration"].as_u64().unwrap() > 1_000_000_000, "the first one loads the model");
    let again = read(ask(json!({ "options": { "num_ctx": 4_096 } })).send().await.unwrap()).await.json();
    assert!(again["load_duration"].as_u64().unwrap() < 100_000_000);
    assert_eq!(ps().await["models"][0]["context_length"], 4_096);
    let unload = json!({ "model": "qwen3:32b", "keep_alive": 0 });
    let url = bench.url("mac-studio", "/api/chat");
    let done = read(bench.client.post(url).json(&unload).send().await.unwrap()).await.json();
    assert_eq!(done["done_reason"], "unload");
    assert_eq!(ps().await["models"], json!([]));
    let missing = bench.ask_with("rtx-4090", Speaks::Ollama, "hi", true, None, json!({ "model": "nope" }));
    assert_eq!(read(missing.send().await.unwrap()).await.json()["error"], "model 'nope' not found");
}

#[tokio::test]
async fn probes_and_listings_answer() {
    let bench = Bench::new().await;
    for (id, path, speaks) in [
        ("anthropic", "/v1/models?limit=1", Speaks::Anthropic),
        ("rtx-4090", "/", Speaks::Ollama),
        ("rtx-4090", "/api/version", Speaks::Ollama),
        ("rtx-4090", "/api/tags", Speaks::Ollama),
        ("litellm", "/health/liveliness", Speaks::Openai),
        ("litellm", "/v1/models", Speaks::Openai),
        ("litellm", "/v1/model/info", Speaks::Openai),
        ("openai", "/models", Speaks::Openai),
        ("pod-vllm", "/models", Speaks::Openai),
        ("gemini", "/v1beta/models?pageSize=1", Speaks::Gemini),
        ("runpod-llama-70b", "/health", Speaks::Openai),
        ("runpod-tune", "/health", Speaks::Openai),
    ] {
        let request = bench.sign(bench.client.get(bench.url(id, path)), speaks, bench.key(id).as_deref());
        assert_eq!(request.send().await.unwrap().status(), 200, "{id}{path}");
    }
    let alive = bench.client.get(bench.url("litellm", "/health/liveliness"));
    assert_eq!(read(alive.send().await.unwrap()).await.text, "\"I'm alive!\"");
    assert!(bench.simulation.log().iter().all(|seen| !seen.is_prompt));
}

#[tokio::test]
async fn the_log_shows_what_reached_whom() {
    let bench = Bench::new().await;
    read(bench.ask("anthropic", Speaks::Anthropic, "the word is heliotrope", true).send().await.unwrap()).await;
    read(bench.ask("gemini", Speaks::Gemini, "another one", false).send().await.unwrap()).await;
    let log = bench.simulation.log();
    let told: Vec<&Seen> = log.iter().filter(|seen| seen.prompt_text.contains("heliotrope")).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].backend, BackendId::from("anthropic"));
    assert_eq!((told[0].status, told[0].streamed), (Some(200), true));
    assert_eq!(told[0].model.as_deref(), Some("claude-opus-5-5"));
    assert!(told[0].usage.input > 0 && told[0].usage.output > 0);
    assert_eq!(log[1].model.as_deref(), Some("gemini-3.6-flash"));
    bench.simulation.clear_log();
    assert!(bench.simulation.log().is_empty());
}

#[tokio::test]
async fn the_configuration_is_coherent() {
    let bench = Bench::new().await;
    let config = bench.simulation.config();
    for tier in Tier::ALL {
        assert!(config.backends.iter().any(|backend| backend.spec.tier == tier), "{tier}");
    }
    for backend in &config.backends {
        let id = &backend.spec.id;
        assert!(backend.spec.url.starts_with("http://127.0.0.1:"), "{id}");
        assert_eq!(backend.spec.reach == Reach::Inside, backend.spec.tier == Tier::Local, "{id}");
        assert_eq!(backend.key.is_some(), backend.spec.tier != Tier::Local, "{id}");
        assert!(!backend.models.is_empty(), "{id}");
        for (model, spec) in &backend.models {
            assert!(spec.context > spec.max_output, "{model}");
            assert_ne!(spec.pricing, crate::domain::price::Pricing::Unknown, "{model}");
        }
    }
    assert!(config.runpod.unwrap().api_url.starts_with("http://127.0.0.1:"));
}

#[tokio::test]
async fn the_card_follows_the_load() {
    let simulation = Simulation::start(Options { seed: 3, ..Options::default() }).await.unwrap();
    let mut gpu = simulation.gpu();
    let start = std::time::Instant::now();
    let idle = gpu.read(start)[0].utilisation.unwrap();
    assert!(idle < 20, "{idle}");
    let url = format!("{}/api/chat", simulation.config().backends[1].spec.url);
    let body = json!({ "model": "llama3:8b", "messages": [{ "role": "user", "content": "Explain schedulers" }] });
    let response = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let busy = gpu.read(start + Duration::from_secs(10))[0].clone();
    assert!(busy.utilisation.unwrap() > 30, "{:?}", busy.utilisation);
    assert!(busy.name.starts_with("DEMO") && busy.memory_used < busy.memory_total);
    drop(response);
    simulation.shutdown().await;
}

/// Simulated time, not real time: nothing else in this runtime has a timer, so the clock moves with the pacing alone.
#[tokio::test(start_paused = true)]
async fn times_are_believable() {
    let simulation = Simulation::start(Options { seed: 5, ..Options::default() }).await.unwrap();
    let bench = Bench { simulation, client: reqwest::Client::builder().no_proxy().build().unwrap() };
    for (id, speaks, first_ms, per_second) in [
        ("anthropic", Speaks::Anthropic, 700..1_600, 45..80),
        ("rtx-4090", Speaks::Ollama, 30..100, 70..110),
        ("runpod-llama-70b", Speaks::Openai, 300..900, 28..45),
        ("litellm", Speaks::Openai, 500..1_300, 60..140),
        ("gemini", Speaks::Gemini, 400..950, 120..200),
    ] {
        let start = Instant::now();
        let extra = json!({ "options": { "num_ctx": 8_192 } });
        let key = bench.key(id);
        let ask = bench.ask_with(id, speaks, "Explain how a scheduler decides", true, key.as_deref(), extra);
        let mut response = ask.send().await.unwrap();
        let mut text = String::new();
        let mut first = None;
        while let Some(chunk) = response.chunk().await.unwrap() {
            text.push_str(&String::from_utf8_lossy(&chunk));
            let said = || events(speaks, &text).0.iter().any(|event| !text_of(speaks, event).is_empty());
            if first.is_none() && said() {
                first = Some(start.elapsed());
            }
        }
        let first = first.unwrap();
        let length: usize = events(speaks, &text).0.iter().map(|event| text_of(speaks, event).len()).sum();
        let took = start.elapsed() - first;
        assert!(first_ms.contains(&first.as_millis()), "{id}: first token after {first:?}");
        let rate = (length as f64 / 4.0 / took.as_secs_f64()) as u64;
        assert!(per_second.contains(&rate), "{id}: {rate} tokens per second");
    }
}

#[tokio::test]
async fn a_seed_repeats_its_answers() {
    let mut texts = Vec::new();
    for _ in 0..2 {
        let bench = Bench::new().await;
        let got =
            read(bench.ask("gemini", Speaks::Gemini, "Rate this action: wait", false).send().await.unwrap()).await;
        texts.push(text_of(Speaks::Gemini, &got.json()));
    }
    assert_eq!(texts[0], texts[1]);
}
