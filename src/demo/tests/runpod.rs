//! RunPod: workers that start and leave, queue jobs, and the account.

use super::*;

async fn get(bench: &Bench, url: String) -> Got {
    read(bench.client.get(url).bearer_auth(RUNPOD_KEY).send().await.unwrap()).await
}

async fn post(bench: &Bench, url: String, body: Value) -> Got {
    read(bench.client.post(url).bearer_auth(RUNPOD_KEY).json(&body).send().await.unwrap()).await
}

#[tokio::test]
async fn a_job_waits_for_a_worker_and_streams() {
    let bench = Bench::new().await;
    let url = |path: &str| bench.url("runpod-tune", path);
    assert_eq!(get(&bench, url("/health")).await.json()["workers"]["idle"], 0);
    let messages = json!([{ "role": "user", "content": "Summarize the run" }]);
    let job = post(&bench, url("/run"), json!({ "input": { "messages": messages, "stream": true } })).await.json();
    assert_eq!(job["status"], "IN_QUEUE");
    let health = get(&bench, url("/health")).await.json();
    assert_eq!(health["workers"]["initializing"], 1, "{health}");
    let id = job["id"].as_str().unwrap();
    let mut text = String::new();
    loop {
        let part = get(&bench, url(&format!("/stream/{id}"))).await.json();
        for output in part["stream"].as_array().unwrap() {
            text.push_str(output["output"]["choices"][0]["tokens"][0].as_str().unwrap());
        }
        if part["status"] == "COMPLETED" && part["stream"] == json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = get(&bench, url(&format!("/status/{id}"))).await.json();
    assert_eq!(status["output"][0]["choices"][0]["tokens"][0], text);
    assert!(
        // Six simulated seconds and more for the start, at 200 times the speed.
        status["delayTime"].as_u64().unwrap() > 25 && status["executionTime"].as_u64().unwrap() > 2,
        "{status}"
    );
    assert_eq!(get(&bench, url("/health")).await.json()["workers"]["idle"], 1);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(get(&bench, url("/health")).await.json()["workers"]["idle"], 0, "idle workers leave");
}

#[tokio::test]
async fn jobs_can_be_waited_for_and_cancelled() {
    let bench = Bench::new().await;
    let url = |path: &str| bench.url("runpod-tune", path);
    let input = json!({ "input": { "prompt": "Rate this action: wait" } });
    let done = post(&bench, url("/runsync"), input.clone()).await.json();
    assert_eq!(done["status"], "COMPLETED", "{done}");
    let long = json!({ "input": { "prompt": "Explain schedulers" } });
    let id = post(&bench, url("/run"), long).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(post(&bench, url(&format!("/cancel/{id}")), json!({})).await.json()["status"], "CANCELLED");
    assert_eq!(get(&bench, url(&format!("/status/{id}"))).await.json()["status"], "CANCELLED");
    assert_eq!(get(&bench, url("/status/nope")).await.status, 404);
    let routed = json!({ "input": { "openai_route": "/v1/chat/completions", "openai_input": {
        "model": "granger-tune-8b", "messages": [{ "role": "user", "content": "hi" }] } } });
    let done = post(&bench, url("/runsync"), routed).await.json();
    assert!(done["output"][0]["choices"][0]["message"]["content"].is_string(), "{done}");
    bench.simulation.faults().set_for_next(&BackendId::from("runpod-tune"), FaultKind::ErrorInsideStream.into(), 1);
    let failed = post(&bench, url("/runsync"), input).await.json();
    assert!(failed["status"] == "FAILED" && failed["error"].as_str().unwrap().contains("error_message"), "{failed}");
}

#[tokio::test]
async fn the_account_shows_pods_endpoints_and_balance() {
    let bench = Bench::new().await;
    let base = bench.simulation.config().runpod.unwrap().api_url;
    let pods = get(&bench, format!("{base}/v2/pods")).await.json();
    assert_eq!(pods["pods"].as_array().unwrap().len(), 2);
    assert!(pods["pods"][0]["runtime"]["gpus"][0]["util"].as_f64().unwrap() <= 100.0);
    let endpoints = get(&bench, format!("{base}/v2/serverless")).await.json();
    assert_eq!(endpoints["endpoints"][0]["id"], LLAMA_ENDPOINT);
    let workers = get(&bench, format!("{base}/v2/serverless/{LLAMA_ENDPOINT}/workers")).await.json();
    assert_eq!(workers["summary"]["idle"], 1);
    let catalog = get(&bench, format!("{base}/v2/catalog/gpus")).await.json();
    assert!(catalog["gpus"][0]["price"]["serverless"].as_f64().unwrap() > 0.0);
    let query = json!({ "query": "query { myself { clientBalance currentSpendPerHr } }" });
    let myself = post(&bench, format!("{base}/graphql"), query).await.json();
    assert!(myself["data"]["myself"]["clientBalance"].as_f64().unwrap() > 10.0);
    let serverless = bench.simulation.config().runpod.unwrap().serverless_url;
    assert_eq!(get(&bench, format!("{serverless}/{TUNE_ENDPOINT}/health")).await.status, 200);

    let refused = read(bench.client.get(format!("{base}/v2/pods")).send().await.unwrap()).await;
    assert_eq!((refused.status, refused.kind.as_str()), (401, "application/problem+json"));
    bench.simulation.faults().set_for_next(&BackendId::from(RUNPOD_ACCOUNT), Fault::rate_limited(9.0), 1);
    let limited = bench.client.get(format!("{base}/v2/pods")).bearer_auth(RUNPOD_KEY).send().await.unwrap();
    assert_eq!((limited.status().as_u16(), limited.headers()["retry-after"].to_str().unwrap()), (429, "9"));
}

#[tokio::test]
async fn a_stopped_pod_takes_its_server_with_it() {
    let bench = Bench::new().await;
    let base = bench.simulation.config().runpod.unwrap().api_url;
    let action = format!("{base}/v2/pods/{}/action", catalog::POD);
    let ask = || bench.ask("pod-vllm", Speaks::Openai, "hi", false).send();
    assert!(ask().await.is_ok());
    let stopped = post(&bench, action.clone(), json!({ "action": "stop" })).await.json();
    assert_eq!((stopped["status"].as_str(), stopped["cost"].as_f64()), (Some("EXITED"), Some(0.0)));
    assert!(ask().await.is_err());
    assert_eq!(post(&bench, action.clone(), json!({ "action": "restart" })).await.status, 409);
    assert_eq!(post(&bench, action, json!({ "action": "start" })).await.json()["status"], "STARTING");
    tokio::time::sleep(Duration::from_millis(200)).await;
    get(&bench, format!("{base}/v2/pods")).await;
    assert!(ask().await.is_ok());
}
