//! Global Privacy Control, the signal of a browser.

use super::*;

/// What is said to Anna by a server when her browser sends these headers.
async fn said_to(server: &TestServer, signals: &[&'static str], validate_only: bool) -> Vec<String> {
    let question = proto::DecideRequest {
        customer_id: "anna".into(),
        channel: "web".into(),
        max_actions: 9,
        groups: vec!["says".into()],
        validate_only,
        ..Default::default()
    };
    let mut request = tonic::Request::new(question);
    for signal in signals {
        request.metadata_mut().append("sec-gpc", signal.parse().unwrap());
    }
    let answer = DecisionServiceClient::new(server.channel.clone()).decide(request).await.unwrap().into_inner();
    answer.actions.into_iter().map(|action| action.action_id).collect()
}

#[tokio::test]
async fn case_31_one_signal_among_several_counts() {
    for (signals, objects) in [(["0", "1"], true), (["1", "0"], true), (["1", "1"], true), (["0", "11"], false)] {
        let server = TestServer::start(rules_of(RULES), "none".into()).await;
        let said = said_to(&server, &signals, false).await;
        assert_eq!(!said.contains(&"partner".to_owned()), objects, "{signals:?}");
        assert_eq!(server.engine.ledger_records(), u64::from(objects), "{signals:?}");
        server.stop().await;
    }
}

#[tokio::test]
async fn case_32_the_signal_deletes_nothing_and_its_absence_permits_nothing() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    say(&server.engine, "advice", Given, monday());
    tell(&server.engine, monday());
    assert_eq!(said_to(&server, &["1"], false).await, ["hello", "help", "letter"]);
    assert_eq!(held(&server.engine, monday()).len(), 2);
    assert_eq!(denial(&server.engine, "advice", monday()), None, "what does not sell or share is not meant");
    for signals in [&[][..], &["0"]] {
        assert_eq!(said_to(&server, signals, false).await, ["hello", "help", "letter"]);
    }
    server.stop().await;
}

#[tokio::test]
async fn case_33_a_rehearsal_with_the_signal_obeys_it_and_records_nothing() {
    let server = TestServer::start(rules_of(RULES), "none".into()).await;
    assert_eq!(said_to(&server, &["1"], true).await, ["help", "letter"]);
    assert_eq!((server.engine.ledger_records(), server.engine.customer_count()), (0, 0));
    assert_eq!(said_to(&server, &[], true).await, ["help", "letter", "partner"]);
    say(&server.engine, "resale", Objected, monday());
    say(&server.engine, "resale", Given, minutes(1));
    assert_eq!(said_to(&server, &["1"], true).await, ["help", "letter", "partner"], "a yes in person holds");
    server.stop().await;
}
