//! Addresses: Ollama's own rules for `OLLAMA_HOST`, plain URLs for everyone else, and who counts as this machine.
//!
//! What a backend's `spec.url` looks like, always without a slash at its end and without credentials:
//!
//! | protocol | address |
//! |---|---|
//! | `anthropic` | `https://api.anthropic.com`, without `/v1` |
//! | `ollama` | `http://127.0.0.1:11434`, with the path prefix of a proxy where there is one |
//! | `openai` | `https://api.openai.com/v1`, with `/v1` |
//! | `litellm` | `http://127.0.0.1:4000`, without `/v1` |
//! | `gemini` | `https://generativelanguage.googleapis.com` |
//! | `runpod-openai`, `runpod-queue` | `https://api.runpod.ai/v2/ENDPOINT`, without `/openai/v1`: health lies beside it |
//! | `runpod-balancer` | `https://ENDPOINT.api.runpod.ai` |

use std::net::IpAddr;

use reqwest::Url;

use crate::domain::fleet::Protocol;

/// Where a provider's own service is; `None` for protocols that anybody may serve.
#[must_use]
pub const fn official(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Anthropic => Some("https://api.anthropic.com"),
        Protocol::Ollama => Some("http://127.0.0.1:11434"),
        Protocol::Openai => Some("https://api.openai.com/v1"),
        Protocol::Gemini => Some("https://generativelanguage.googleapis.com"),
        Protocol::Litellm | Protocol::RunpodOpenai | Protocol::RunpodQueue | Protocol::RunpodBalancer => None,
    }
}

/// Checks an address for a protocol and brings it into the form of the table above.
///
/// # Errors
///
/// Why it cannot be used.
pub fn parse(protocol: Protocol, text: &str) -> Result<String, String> {
    let spelled = if protocol == Protocol::Ollama { connectable_host(text) } else { text.trim().to_owned() };
    let url =
        Url::parse(&spelled).map_err(|error| format!("not a URL ({error}); write it like `https://host/path`"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("`{}` is not a scheme to use here: write http or https", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Addresses are shown on screens and in logs.
        return Err("an address must not hold a user or password; use `api_key_env`".to_owned());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the address names no host".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address must not have a `?query` or a `#fragment`".to_owned());
    }
    Ok(spelled.trim_end_matches('/').to_owned())
}

/// Whether an address is on this very machine.
#[must_use]
pub fn is_loopback(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let Some(host) = url.host_str() else { return false };
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        // RFC 6761 reserves the name and all below it for this machine.
        Err(_) => {
            let host = host.trim_end_matches('.').to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

/// An address by the rules of Ollama's `Host()`, made connectable by those of its `ConnectableHost()`: what a server
/// was told to bind to is where its clients have to go.
#[must_use]
pub fn connectable_host(text: &str) -> String {
    let (scheme, host, port, path) = ollama_host(text);
    let host = match host.as_str() {
        "" | "0.0.0.0" => "127.0.0.1".to_owned(),
        "::" => "[::1]".to_owned(),
        host if host.contains(':') => format!("[{host}]"),
        host => host.to_owned(),
    };
    format!("{scheme}://{host}:{port}{path}")
}

/// Scheme, host without brackets, port, and path with its slash, as Ollama's server reads them.
fn ollama_host(text: &str) -> (String, String, u16, String) {
    let text = text.trim().trim_matches(['"', '\'']).trim();
    let (scheme, rest, default_port) = match text.split_once("://") {
        None if text == "ollama.com" => ("https", text, 443),
        None => ("http", text, 11434),
        Some(("http", rest)) => ("http", rest, 80),
        Some(("https", rest)) => ("https", rest, 443),
        Some((scheme, rest)) => (scheme, rest, 11434),
    };
    let (host_port, path) = rest.split_once('/').map_or((rest, String::new()), |(head, path)| {
        (head, if path.is_empty() { String::new() } else { format!("/{path}") })
    });
    let (host, port) = match split_host_port(host_port) {
        Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(default_port)),
        None => {
            let bare = host_port.trim_start_matches('[').trim_end_matches(']');
            let host = if bare.parse::<IpAddr>().is_ok() { bare } else { host_port };
            (if host.is_empty() { "127.0.0.1" } else { host }.to_owned(), default_port)
        }
    };
    (scheme.to_owned(), host, port, path)
}

/// Go's `net.SplitHostPort`: the host is bracketed if it has colons, and the port may be empty but not its colon.
fn split_host_port(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        return Some((host, tail.strip_prefix(':').filter(|port| !port.contains(':'))?));
    }
    let (host, port) = text.rsplit_once(':')?;
    (!host.contains(':')).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of Ollama's own `envconfig` tests: what the server reads.
    #[test]
    fn ollama_host_is_read_as_ollama_reads_it() {
        for (text, scheme, host, port, path) in [
            ("", "http", "127.0.0.1", 11434, ""),
            ("   ", "http", "127.0.0.1", 11434, ""),
            ("1.2.3.4", "http", "1.2.3.4", 11434, ""),
            ("localhost:11434", "http", "localhost", 11434, ""),
            (":1234", "http", "", 1234, ""),
            (":0", "http", "", 0, ""),
            (":66000", "http", "", 11434, ""),
            (":-1", "http", "", 11434, ""),
            ("1.2.3.4:", "http", "1.2.3.4", 11434, ""),
            ("example.com", "http", "example.com", 11434, ""),
            ("example.com:1234", "http", "example.com", 1234, ""),
            ("[::1]:1337", "http", "::1", 1337, ""),
            ("[::1]", "http", "::1", 11434, ""),
            ("::1", "http", "::1", 11434, ""),
            ("[::]:8000", "http", "::", 8000, ""),
            ("http://1.2.3.4", "http", "1.2.3.4", 80, ""),
            ("http://1.2.3.4:5678", "http", "1.2.3.4", 5678, ""),
            ("https://1.2.3.4", "https", "1.2.3.4", 443, ""),
            ("https://1.2.3.4:8443/", "https", "1.2.3.4", 8443, ""),
            ("https://example.com/ollama", "https", "example.com", 443, "/ollama"),
            ("example.com:1234/a/b", "http", "example.com", 1234, "/a/b"),
            ("other://1.2.3.4", "other", "1.2.3.4", 11434, ""),
            ("ollama.com", "https", "ollama.com", 443, ""),
            (" \"0.0.0.0\" ", "http", "0.0.0.0", 11434, ""),
            ("'example.com'", "http", "example.com", 11434, ""),
        ] {
            let expected = (scheme.to_owned(), host.to_owned(), port, path.to_owned());
            assert_eq!(ollama_host(text), expected, "{text:?}");
        }
    }

    #[test]
    fn clients_connect_to_what_a_server_binds() {
        for (text, url) in [
            ("", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://127.0.0.1:11434"),
            (" \"0.0.0.0\" ", "http://127.0.0.1:11434"),
            ("[::]:11435", "http://[::1]:11435"),
            (":1234", "http://127.0.0.1:1234"),
            ("::1", "http://[::1]:11434"),
            ("https://example.com/ollama", "https://example.com:443/ollama"),
        ] {
            assert_eq!(connectable_host(text), url, "{text:?}");
            assert_eq!(parse(Protocol::Ollama, text).as_deref(), Ok(url), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_a_plain_url() {
        let parse = |text| parse(Protocol::Openai, text);
        assert_eq!(parse("https://api.openai.com/v1/").as_deref(), Ok("https://api.openai.com/v1"));
        for wrong in ["", "api.openai.com", "ftp://x/", "https://user:secret@x/v1", "https://x/?key=1", "https://x/#a"]
        {
            let problem = parse(wrong).expect_err(wrong);
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn this_machine_is_told_from_others() {
        for (url, here) in [
            ("http://127.0.0.1:11434", true),
            ("http://127.9.9.9", true),
            ("http://localhost:1", true),
            ("http://LOCALHOST.:1", true),
            ("http://a.localhost", true),
            ("http://[::1]:11434", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://0177.0.0.1", true),
            ("http://192.168.1.4", false),
            ("http://[::ffff:8.8.8.8]", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://127.0.0.1@example.com", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_loopback(url), here, "{url}");
        }
    }
}
