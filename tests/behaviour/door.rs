//! Who may call what: every method with every scope and every kind of credential, from the descriptor set.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair, PublicKeyData as _, SanType};
use serde_json::{Value as Json, json};
use tactful::clock::Clock;
use tactful::domain::consent::{NoticeHash, json_ld};
use tactful::grpc::audit::{Audit, AuditEntry, AuditLog};
use tactful::grpc::caller::{Scopes, word};
use tactful::grpc::methods::{Access, Method, Methods};
use tactful::grpc::proto::caller_service_client::CallerServiceClient;
use tactful::grpc::proto::{self, Scope};
use tactful::serve::Door;
use tactful::serve::audit_log::{AuditFile, pseudonym, read_key};
use tactful::serve::file_watch::Watched as _;
use tactful::serve::identity::tokens::{digest, hex, random};
use tactful::serve::identity::{Identities, IdentitySettings};
use tactful::serve::tls::{Tls, TlsSettings};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::support::{TestServer, folder, monday};

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "tactful";

/// Calls a method of any path with one message, until the first answer or the refusal.
async fn call<M: prost::Message + 'static>(
    channel: &Channel,
    path: &str,
    message: M,
    credential: Option<&str>,
) -> Result<(), Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(message);
    if let Some(credential) = credential {
        request.metadata_mut().insert("authorization", credential.parse().unwrap());
    }
    client.server_streaming(request, path.parse().unwrap(), ProstCodec::<M, ()>::default()).await.map(drop)
}

/// How a call was met, as far as the gate goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Met {
    Passed,
    Unknown,
    Denied,
}

async fn met(channel: &Channel, path: &str, credential: Option<&str>) -> Met {
    match call(channel, path, (), credential).await.map_err(|status| status.code()) {
        Err(Code::Unauthenticated) => Met::Unknown,
        Err(Code::PermissionDenied) => Met::Denied,
        _ => Met::Passed,
    }
}

/// A key that signs JWTs, and its public part as a key set.
struct Signer {
    key: KeyPair,
}

impl Signer {
    fn new() -> Self {
        Self { key: KeyPair::generate().unwrap() }
    }

    fn jwks(&self) -> Vec<u8> {
        let point = self.key.der_bytes();
        let (x, y) = point[1..].split_at(32);
        let key = json!({
            "kid": "k1", "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        json!({"keys": [key]}).to_string().into_bytes()
    }

    fn sign(&self, claims: &Json) -> String {
        let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::ES256) };
        let key = EncodingKey::from_ec_der(self.key.serialized_der());
        format!("Bearer {}", encode(&header, claims, &key).unwrap())
    }
}

/// Claims that are in order, with all scopes.
fn claims() -> Json {
    let scopes: Vec<String> = Scopes::all().map(word).collect();
    let end = monday().0 / 1_000 + 600;
    json!({"sub": "web-shop", "iss": ISSUER, "aud": [AUDIENCE], "exp": end, "scope": scopes.join(" ")})
}

fn with(key: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Json {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

/// A token of the other kind: signed by nobody, or with the public key as if it were a secret.
fn forged(header: &Json, signer: &Signer) -> String {
    let part = |json: &Json| URL_SAFE_NO_PAD.encode(json.to_string());
    let claims = claims();
    if header["alg"] == "none" {
        return format!("Bearer {}.{}.", part(header), part(&claims));
    }
    let header = Header { kid: Some("k1".into()), ..Header::new(Algorithm::HS256) };
    format!("Bearer {}", encode(&header, &claims, &EncodingKey::from_secret(signer.key.der_bytes()).unwrap()).unwrap())
}

/// JWTs that have every scope, and something wrong.
fn wrong_jwts(signer: &Signer) -> Vec<(&'static str, String)> {
    let end = monday().0 / 1_000;
    vec![
        ("not a token", "Bearer x".into()),
        ("expired JWT", signer.sign(&with("exp", json!(end)))),
        ("JWT that does not end", signer.sign(&without("exp"))),
        ("end that is a text", signer.sign(&with("exp", json!("never")))),
        ("JWT that has not begun", signer.sign(&with("nbf", json!(end + 60)))),
        ("wrong audience", signer.sign(&with("aud", json!("other")))),
        ("no audience", signer.sign(&without("aud"))),
        ("wrong issuer", signer.sign(&with("iss", json!("https://other.example")))),
        ("no issuer", signer.sign(&without("iss"))),
        ("alg none", forged(&json!({"alg": "none", "typ": "JWT", "kid": "k1"}), signer)),
        ("key confusion", forged(&json!({"alg": "HS256"}), signer)),
        ("key of another", Signer::new().sign(&claims())),
        ("no channel at all", signer.sign(&with("tactful_channels", json!([])))),
    ]
}

pub fn entry(token: &str, scopes: &[String], more: &str) -> String {
    format!("[[caller]]\nname = \"test\"\nsha256 = \"{}\"\nscopes = {scopes:?}\n{more}\n", hex(&digest(token)))
}

/// A server with tokens, one for each scope among them, and with JWTs.
struct Guarded {
    server: TestServer,
    identities: Arc<Identities>,
    folder: tempfile::TempDir,
    by_scope: BTreeMap<i32, String>,
    signer: Signer,
}

impl Guarded {
    /// `more` entries stand in the file, too.
    async fn start(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::new();
        let by_scope: BTreeMap<i32, String> = Scopes::all().map(|scope| (scope as i32, random().unwrap())).collect();
        let entries = Scopes::all().map(|scope| entry(&by_scope[&(scope as i32)], &[word(scope)], ""));
        let file = entries.collect::<String>() + more;
        std::fs::write(folder.path().join("tokens.toml"), file).unwrap();
        std::fs::write(folder.path().join("jwks.json"), signer.jwks()).unwrap();
        let settings = IdentitySettings {
            tokens: Some(folder.path().join("tokens.toml")),
            jwks: Some(folder.path().join("jwks.json")),
            issuer: ISSUER.into(),
            audience: AUDIENCE.into(),
        };
        let identities = Arc::new(Identities::new(settings).unwrap());
        let door = Door { identities: Some(Arc::clone(&identities)), ..Door::default() };
        Self { server: TestServer::behind(door).await, identities, folder, by_scope, signer }
    }

    fn bearer(&self, scope: Scope) -> String {
        format!("Bearer {}", self.by_scope[&(scope as i32)])
    }

    /// As the watch of the files does when one has changed.
    fn rewrite(&self, name: &str, content: &[u8]) {
        self.identities.changed(&[(self.folder.path().join(name), content.to_vec())]).unwrap();
    }
}

fn every_scope() -> Vec<String> {
    Scopes::all().map(word).collect()
}

/// What a credential with all scopes that is itself not in order must be met with.
fn unknown(method: &Method) -> Met {
    if method.access == Access::Public { Met::Passed } else { Met::Unknown }
}

#[tokio::test]
async fn every_method_asks_for_its_scope_and_for_a_credential_that_is_in_order() {
    let (expired, revoked, bound) = (random().unwrap(), random().unwrap(), random().unwrap());
    let more = entry(&expired, &every_scope(), "expires = \"2026-03-02T08:59:59Z\"")
        + &entry(&bound, &every_scope(), "channels = [\"web\"]");
    let guarded = Guarded::start(&(more.clone() + &entry(&revoked, &every_scope(), ""))).await;
    let channel = guarded.server.channel.clone();
    let revoked = format!("Bearer {revoked}");
    assert_eq!(met(&channel, "/tactful.v1.DecisionService/Decide", Some(&revoked)).await, Met::Passed);
    let entries = Scopes::all().map(|scope| entry(&guarded.by_scope[&(scope as i32)], &[word(scope)], ""));
    guarded.rewrite("tokens.toml", (entries.collect::<String>() + &more).as_bytes());

    // On the same connection, whose last caller this was.
    assert_eq!(met(&channel, "/tactful.v1.DecisionService/Decide", Some(&revoked)).await, Met::Unknown);

    let signer = &guarded.signer;
    let mut refused = vec![
        ("no token", None),
        ("no scheme", Some(guarded.bearer(Scope::Decide).replace("Bearer ", ""))),
        ("unknown token", Some(format!("Bearer {}", random().unwrap()))),
        ("expired token", Some(format!("Bearer {expired}"))),
        ("revoked token", Some(revoked)),
    ];
    refused.extend(wrong_jwts(signer).into_iter().map(|(what, credential)| (what, Some(credential))));
    let accepted = signer.sign(&claims());
    let bound = [
        format!("Bearer {bound}"),
        signer.sign(&with("tactful_customer", json!("anna"))),
        signer.sign(&with("tactful_channels", json!(["web"]))),
    ];
    let (mut cells, mut wrong) = (0, Vec::new());
    for method in Methods::new().unwrap().iter() {
        let mut judge = |what: String, found: Met, wanted: Met| {
            cells += 1;
            if found != wanted {
                wrong.push(format!("{}, {what}: {found:?} and not {wanted:?}", method.path));
            }
        };
        for scope in Scopes::all() {
            let allowed = match method.access {
                Access::Scoped(needed) => needed == scope,
                Access::Known | Access::Public => true,
            };
            let wanted = if allowed { Met::Passed } else { Met::Denied };
            judge(word(scope), met(&channel, &method.path, Some(&guarded.bearer(scope))).await, wanted);
            let jwt = signer.sign(&with("scope", json!(word(scope))));
            judge(format!("JWT for {}", word(scope)), met(&channel, &method.path, Some(&jwt)).await, wanted);
        }
        judge("JWT".into(), met(&channel, &method.path, Some(&accepted)).await, Met::Passed);
        for (what, credential) in &refused {
            judge((*what).into(), met(&channel, &method.path, credential.as_deref()).await, unknown(method));
        }
        for credential in &bound {
            // An empty request names no customer and no channel, so a bound caller passes no gate but the open ones.
            let found = met(&channel, &method.path, Some(credential)).await;
            let open = !matches!(method.access, Access::Scoped(_));
            if open || !method.checks_binding {
                judge("bound caller".into(), found, if open { Met::Passed } else { Met::Denied });
            }
        }
    }
    println!("{cells} cells, {} wrong", wrong.len());
    assert!(wrong.is_empty() && cells > 1_000, "{cells} cells\n{}", wrong.join("\n"));
    drop(channel);
    guarded.server.stop().await;
}

/// What the rules of the server declare for `personalisation`.
const DESIGN_NOTICE: &str = "tests/fixtures/design/notices/personalisation-v2.md";

/// The record says who recorded it, whatever the caller states.
#[tokio::test]
async fn a_record_names_the_authenticated_caller_and_the_notice() {
    let guarded = Guarded::start("").await;
    let channel = guarded.server.channel.clone();
    let change = |notice_hash: &str| proto::ConsentChange {
        purpose: "personalisation".into(),
        status: proto::ConsentStatus::Given.into(),
        notice_hash: notice_hash.into(),
        ..proto::ConsentChange::default()
    };
    let request = |notice_hash: &str| proto::RecordConsentRequest {
        customer_id: "anna".into(),
        changes: vec![change(notice_hash)],
        source: Some(proto::ConsentSource { actor: "agent-7".into(), ..proto::ConsentSource::default() }),
        ..proto::RecordConsentRequest::default()
    };
    let path = "/tactful.v1.ConsentService/RecordConsent";
    let credential = guarded.bearer(Scope::Consent);
    let read = NoticeHash::of(&std::fs::read_to_string(folder(DESIGN_NOTICE)).unwrap()).to_string();
    call(&channel, path, request(&read.to_uppercase()), Some(&credential)).await.unwrap();
    let engine = &guarded.server.engine;
    let (record, receipt) = {
        let records = engine.consent_records("anna").unwrap();
        assert_eq!(records.len(), 1);
        (records[0].1.clone(), json_ld(&records[0].1))
    };
    assert_eq!((record.recorded_by.as_str(), record.source.actor.as_str()), ("test", "agent-7"));
    assert_eq!(record.notice_hash.unwrap().to_string(), read);
    assert!(receipt.contains(&read) && receipt.contains("\"tactful:recordedBy\":\"test\""), "{receipt}");
    drop(channel);
    guarded.server.stop().await;
}

async fn caller(channel: &Channel, credential: Option<&str>) -> Result<proto::GetCallerResponse, Status> {
    let mut request = Request::new(proto::GetCallerRequest {});
    if let Some(credential) = credential {
        request.metadata_mut().insert("authorization", credential.parse().unwrap());
    }
    Ok(CallerServiceClient::new(channel.clone()).get_caller(request).await?.into_inner())
}

#[tokio::test]
async fn callers_are_told_who_they_are() {
    let guarded = Guarded::start("").await;
    let channel = guarded.server.channel.clone();
    let watcher = caller(&channel, Some(&guarded.bearer(Scope::Watch))).await.unwrap();
    assert_eq!((watcher.known, watcher.name.as_str(), watcher.scopes), (true, "test", vec![Scope::Watch.into()]));
    let bound = guarded.signer.sign(&with("tactful_customer", json!("anna")));
    assert_eq!(caller(&channel, Some(&bound)).await.unwrap().customer_id, "anna");
    assert_eq!(caller(&channel, None).await.unwrap_err().code(), Code::Unauthenticated);
    drop(channel);
    guarded.server.stop().await;
    let server = TestServer::behind(Door::default()).await;
    let anyone = caller(&server.channel, None).await.unwrap();
    assert_eq!((anyone.known, anyone.scopes.len()), (false, Scopes::all().count()));
    server.stop().await;
}

#[tokio::test]
async fn a_bound_caller_names_no_other_customer_and_no_other_channel() {
    let bound = random().unwrap();
    let guarded = Guarded::start(&entry(&bound, &every_scope(), "channels = [\"web\"]")).await;
    let channel = guarded.server.channel.clone();
    let jwt = guarded.signer.sign(&with("tactful_customer", json!("anna")));
    let bound = format!("Bearer {bound}");
    let decide = |customer: &str, channel: &str| proto::DecideRequest {
        customer_id: customer.into(),
        channel: channel.into(),
        ..proto::DecideRequest::default()
    };
    let path = "/tactful.v1.DecisionService/Decide";
    for (credential, customer, on, allowed) in [
        (&bound, "anna", "web", true),
        (&bound, "bert", "web", true),
        (&bound, "anna", "phone", false),
        (&jwt, "anna", "web", true),
        (&jwt, "anna", "phone", true),
        (&jwt, "bert", "web", false),
    ] {
        let answer = call(&channel, path, decide(customer, on), Some(credential)).await;
        let code = answer.err().map(|status| status.code());
        assert_eq!(code, (!allowed).then_some(Code::PermissionDenied), "{customer} on {on}");
    }
    // Every method whose request names a customer refuses another one.
    for method in Methods::new().unwrap().iter().filter(|method| method.checks_binding) {
        let Some(descriptor) = &method.descriptor else { continue };
        let fields = descriptor.input();
        if fields.get_field_by_name("customer_id").is_none() || method.path.contains("Watch") {
            continue;
        }
        let answer = call(&channel, &method.path, proto::GetCustomerRequest { customer_id: "bert".into() }, Some(&jwt));
        // GetReceipt has its customer in the second field, and this message has none there.
        assert_eq!(answer.await.unwrap_err().code(), Code::PermissionDenied, "{}", method.path);
    }
    drop(channel);
    guarded.server.stop().await;
}

/// An authority that certifies servers and clients.
pub struct Authority(pub CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key, PEM.
    pub fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let san = |name: &str| name.to_owned().try_into().unwrap();
        params.subject_alt_names =
            vec![if name.contains(':') { SanType::URI(san(name)) } else { SanType::DnsName(san(name)) }];
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A channel over TLS to a server that `authority` certified, with a client certificate.
async fn connect(
    address: &str,
    authority: &Authority,
    client: Option<(String, String)>,
) -> Result<Channel, Box<dyn std::error::Error>> {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.0.der().clone())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = builder.with_root_certificates(roots);
    let mut config = match client {
        Some((certificate, key)) => builder.with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(certificate.as_bytes())?],
            PrivateKeyDer::from_pem_slice(key.as_bytes())?,
        )?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let address = address.trim_start_matches("http://").to_owned();
    let tls = tower::service_fn(move |_| {
        let (connector, address) = (connector.clone(), address.clone());
        async move {
            let stream = tokio::net::TcpStream::connect(&address).await?;
            let stream = connector.connect(ServerName::try_from("tactful.example").unwrap(), stream).await?;
            Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(stream))
        }
    });
    Ok(Endpoint::from_static("http://tactful.example").connect_with_connector(tls).await?)
}

pub fn write(folder: &Path, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn certificates_say_who_calls_and_change_while_the_server_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let (certificate, key) = authority.certify("tactful.example");
    let settings = TlsSettings {
        certificate: write(folder.path(), "cert.pem", &certificate),
        key: write(folder.path(), "key.pem", &key),
        client_ca: Some(write(folder.path(), "ca.pem", &clients.0.pem())),
        client_crl: None,
    };
    let tokens = "[[caller]]\nname = \"shop\"\ncertificate = \"spiffe://example/shop\"\nscopes = [\"decide\"]\n";
    let tokens = write(folder.path(), "tokens.toml", tokens);
    let identities = IdentitySettings { tokens: Some(tokens), ..IdentitySettings::default() };
    let tls = Arc::new(Tls::new(settings.clone()).unwrap());
    let identities = Some(Arc::new(Identities::new(identities).unwrap()));
    let server = TestServer::behind(Door { tls: Some(Arc::clone(&tls)), identities, ..Door::default() }).await;
    let (decide, privacy) = ("/tactful.v1.DecisionService/Decide", "/tactful.v1.PrivacyService/EraseCustomer");

    let shop = connect(&server.address, &authority, Some(clients.certify("spiffe://example/shop"))).await.unwrap();
    assert_eq!(met(&shop, decide, None).await, Met::Passed);
    assert_eq!(met(&shop, privacy, None).await, Met::Denied);
    let stranger = connect(&server.address, &authority, Some(clients.certify("stranger.example"))).await.unwrap();
    assert_eq!(met(&stranger, decide, None).await, Met::Unknown);
    for client in [Some(others.certify("spiffe://example/shop")), None] {
        // With TLS 1.3 the client learns of the refusal with the first answer.
        if let Ok(channel) = connect(&server.address, &authority, client).await {
            assert_eq!(call(&channel, decide, (), None).await.unwrap_err().code(), Code::Unknown);
        }
    }

    let read = |path: &std::path::PathBuf| (path.clone(), std::fs::read(path).unwrap());
    let contents = |ca: &Authority, pair: &(String, String)| {
        write(folder.path(), "cert.pem", &pair.0);
        write(folder.path(), "key.pem", &pair.1);
        write(folder.path(), "ca.pem", &ca.0.pem());
        tls.files().iter().map(read).collect::<Vec<_>>()
    };
    // A certificate without its key leaves the earlier pair in force.
    let (fresh, stale) = (authority.certify("tactful.example"), (certificate.clone(), key.clone()));
    let mixed = contents(&clients, &(fresh.0.clone(), stale.1));
    assert!(tls.changed(&mixed).is_err());
    connect(&server.address, &authority, Some(clients.certify("spiffe://example/shop"))).await.unwrap();
    // Another authority for clients: what the earlier one certified is not served any more, on old connections neither.
    tls.changed(&contents(&others, &fresh)).unwrap();
    let refused = async {
        while met(&shop, decide, None).await == Met::Passed
            && call(&shop, decide, (), None).await.is_err_and(|status| status.code() == Code::InvalidArgument)
        {}
    };
    let refused = tokio::time::timeout(std::time::Duration::from_secs(60), refused);
    refused.await.expect("the connection of a client that is not trusted any more is still served");
    let shop = connect(&server.address, &authority, Some(others.certify("spiffe://example/shop"))).await.unwrap();
    assert_eq!(met(&shop, decide, None).await, Met::Passed);
    drop((shop, stranger));
    server.stop().await;
}

#[test]
fn a_token_is_made_listed_and_revoked_and_is_not_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tactful"));
        let ran = command.arg("token").args(arguments).current_dir(folder.path()).output().unwrap();
        (ran.status.code(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let made = run(&["new", "--name", "shop", "--scope", "decide", "--channel", "web", "--expires", "90 days"]);
    assert_eq!((made.0, made.1.starts_with("tct_")), (Some(0), true), "{}", made.2);
    let made = made.1.trim();
    let file = std::fs::read_to_string(folder.path().join("tokens.toml")).unwrap();
    assert!(file.contains(&hex(&digest(made))) && !file.contains(made), "{file}");
    assert_eq!(run(&["new", "--name", "mesh", "--scope", "watch", "--certificate", "spiffe://a/b"]).0, Some(0));
    let listed = run(&["list"]).1;
    for word in ["shop", "decide", "web", "mesh", "watch", "spiffe://a/b"] {
        assert!(listed.contains(word), "{listed}");
    }
    let wrong = run(&["new", "--name", "shop", "--scope", "everything"]);
    assert_eq!((wrong.0, wrong.2.contains("the scopes are decide, outcomes")), (Some(2), true), "{}", wrong.2);
    assert_eq!(run(&["revoke", "--name", "shop"]).1, "removed 1 caller\n");
    assert!(!std::fs::read_to_string(folder.path().join("tokens.toml")).unwrap().contains("shop"));
    assert_eq!(run(&["revoke", "--name", "shop"]).0, Some(2));
}

#[tokio::test]
async fn the_admin_listener_alone_answers_what_only_operators_should_call() {
    let admin = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", admin.local_addr().unwrap());
    let server = TestServer::behind(Door { admin: Some(admin), ..Door::default() }).await;
    let admin = Channel::from_shared(address).unwrap().connect_lazy();
    for method in Methods::new().unwrap().iter() {
        let for_operators =
            matches!(method.access, Access::Scoped(Scope::Privacy | Scope::Rules | Scope::Admin | Scope::Watch));
        let wanted = if for_operators { Met::Denied } else { Met::Passed };
        assert_eq!(met(&server.channel, &method.path, None).await, wanted, "{}", method.path);
        assert_eq!(met(&admin, &method.path, None).await, Met::Passed, "{}", method.path);
    }
    drop(admin);
    server.stop().await;
}

/// An audit log that cannot be written.
#[derive(Debug)]
struct FullDisk;

#[tonic::async_trait]
impl AuditLog for FullDisk {
    async fn keep(&self, _: AuditEntry) -> bool {
        false
    }
}

#[tokio::test]
async fn privileged_calls_are_noted_before_they_act_or_are_not_made() {
    let folder = tempfile::tempdir().unwrap();
    let key = read_key(&folder.path().join("key")).unwrap();
    let clock = Clock(Arc::new(monday));
    let log = AuditFile::open(&folder.path().join("audit"), key, clock).unwrap();
    let door = Door { audit: Audit::new(Arc::new(log)), ..Door::default() };
    let server = TestServer::behind(door).await;
    let request = || proto::EraseCustomerRequest { customer_id: "mrs-secret".into() };
    let erase = "/tactful.v1.PrivacyService/EraseCustomer";
    call(&server.channel, erase, request(), None).await.unwrap();
    call(&server.channel, "/tactful.v1.RuleService/ReloadRules", (), None).await.unwrap();
    let text = std::fs::read_to_string(folder.path().join("audit/audit.jsonl")).unwrap();
    let lines: Vec<Json> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["method"], "PrivacyService/EraseCustomer");
    assert_eq!(lines[0]["customer"], pseudonym(&key, "mrs-secret").as_str());
    assert!(!text.contains("mrs-secret"), "{text}");
    server.stop().await;

    let server = TestServer::behind(Door { audit: Audit::new(Arc::new(FullDisk)), ..Door::default() }).await;
    assert_eq!(call(&server.channel, erase, request(), None).await.unwrap_err().code(), Code::Unavailable);
    assert_eq!(server.engine.ledger_records(), 0);
    server.stop().await;
}

/// What may read or change everything is noted: a method of these scopes without a line in the log would not be seen.
#[test]
fn every_privileged_method_is_noted() {
    let sources: Vec<String> = ["admin", "consent", "decision", "journey", "privacy", "rules"]
        .iter()
        .map(|name| std::fs::read_to_string(super::support::folder(&format!("src/grpc/{name}.rs"))).unwrap())
        .collect();
    for method in Methods::new().unwrap().iter() {
        let privileged = matches!(method.access, Access::Scoped(Scope::Privacy | Scope::Admin | Scope::Watch));
        let name = method.path.trim_start_matches("/tactful.v1.");
        // The server's time is nobody's secret.
        let harmless = name == "AdminService/GetClock";
        if (privileged && !harmless) || name == "RuleService/ReloadRules" {
            assert!(sources.iter().any(|text| text.contains(&format!("\"{name}\""))), "{name} is not noted");
        }
    }
}
