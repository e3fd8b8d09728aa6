//! Other engines on the same rules and facts: `cargo bench --bench rules` runs this program and prints its table.
//!
//! A package of its own, so that nothing of it is built with the server. Every engine compiles its rules and its
//! customers' facts beforehand and is timed for the evaluation alone, in the fastest way that its interface offers.
//! Prints a line for each engine: its name, the median in nanoseconds and how many rules fitted.

#[path = "../../catalogue/mod.rs"]
mod catalogue;

use std::collections::HashMap;

use catalogue::{Customer, Rule, measure};

fn main() {
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).expect("usage: peers RULES");
    let (rules, customers) = (catalogue::rules(count), catalogue::customers());
    // Of the largest sets one round: some engines take a second a customer.
    let rounds = if count > 1_000 { 0 } else { (20_000 / count).clamp(1, 50) };
    type Peer = fn(&[Rule], &[Customer], usize) -> (f64, usize);
    let peers: [(&str, Peer); 4] =
        [("zen-expression", zen), ("cel", cel), ("regorus", regorus), ("cedar-policy", cedar)];
    for (name, peer) in peers {
        let (nanoseconds, found) = peer(&rules, &customers, rounds);
        println!("{name} {nanoseconds} {found}");
    }
}

fn cel(rules: &[Rule], customers: &[Customer], rounds: usize) -> (f64, usize) {
    let text = |rule: &Rule| {
        let Rule { plan, age: (from, to), topic, regions: [a, b], spend } = rule;
        format!(
            r#"plan == "{plan}" && age >= {from} && age < {to} && topic == "{topic}" && region in ["{a}", "{b}"] && spend >= {spend}"#
        )
    };
    let programs: Vec<cel::Program> = rules.iter().map(|rule| cel::Program::compile(&text(rule)).unwrap()).collect();
    let contexts: Vec<cel::Context> = customers
        .iter()
        .map(|customer| {
            let mut context = cel::Context::default();
            context.add_variable_from_value("plan", customer.plan);
            context.add_variable_from_value("age", customer.age);
            context.add_variable_from_value("topic", customer.topic);
            context.add_variable_from_value("region", customer.region.as_str());
            context.add_variable_from_value("spend", customer.spend);
            context
        })
        .collect();
    let holds = |program: &&cel::Program, context| matches!(program.execute(context), Ok(cel::Value::Bool(true)));
    measure(rounds, |customer| programs.iter().filter(|program| holds(program, &contexts[customer])).count())
}

fn zen(rules: &[Rule], customers: &[Customer], rounds: usize) -> (f64, usize) {
    use zen_expression::expression::{Expression, Standard};
    use zen_expression::vm::VM;
    use zen_expression::{Variable, compile_expression};
    let text = |rule: &Rule| {
        let Rule { plan, age: (from, to), topic, regions: [a, b], spend } = rule;
        format!(
            r#"plan == "{plan}" and age >= {from} and age < {to} and topic == "{topic}" and region in ["{a}", "{b}"] and spend >= {spend}"#
        )
    };
    let programs: Vec<_> = rules.iter().map(|rule| compile_expression(&text(rule)).unwrap()).collect();
    let facts: Vec<Variable> = customers.iter().map(|customer| json(customer).into()).collect();
    let mut machine = VM::new();
    measure(rounds, |customer| {
        let holds = |program: &&Expression<Standard>| {
            program
                .evaluate_with(facts[customer].clone(), &mut machine)
                .is_ok_and(|value| value.as_bool() == Some(true))
        };
        programs.iter().filter(holds).count()
    })
}

fn regorus(rules: &[Rule], customers: &[Customer], rounds: usize) -> (f64, usize) {
    let text = |(index, rule): (usize, &Rule)| {
        let Rule { plan, age: (from, to), topic, regions: [a, b], spend } = rule;
        format!(
            "fits contains {index} if {{\n  input.plan == \"{plan}\"\n  input.age >= {from}\n  input.age < {to}\n  \
             input.topic == \"{topic}\"\n  input.region in {{\"{a}\", \"{b}\"}}\n  input.spend >= {spend}\n}}\n"
        )
    };
    let mut engine = regorus::Engine::new();
    let texts: Vec<String> = rules.iter().enumerate().map(text).collect();
    // A file of it may have a mebibyte at most.
    for (number, part) in texts.chunks(1_000).enumerate() {
        let policy = format!("package rules\nimport rego.v1\n{}", part.concat());
        engine.add_policy(format!("rules-{number}.rego"), policy).unwrap();
    }
    let inputs: Vec<regorus::Value> = customers.iter().map(|customer| regorus::Value::from(json(customer))).collect();
    measure(rounds, |customer| {
        engine.set_input(inputs[customer].clone());
        engine.eval_rule("data.rules.fits".into()).unwrap().as_set().map_or(0, |fits| fits.len())
    })
}

fn cedar(rules: &[Rule], customers: &[Customer], rounds: usize) -> (f64, usize) {
    use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Request, RestrictedExpression};
    let policies: String = rules
        .iter()
        .map(|rule| {
            let Rule { plan, age: (from, to), topic, regions: [a, b], spend } = rule;
            format!(
                "permit(principal, action, resource) when {{ context.plan == \"{plan}\" && context.age >= {from} && \
                 context.age < {to} && context.topic == \"{topic}\" && [\"{a}\", \"{b}\"].contains(context.region) && \
                 context.spend >= {spend} }};\n"
            )
        })
        .collect();
    let policies: PolicySet = policies.parse().unwrap();
    let name = |text: &str| -> EntityUid { text.parse().unwrap() };
    let requests: Vec<Request> = customers
        .iter()
        .map(|customer| {
            let texts = [("plan", customer.plan), ("topic", customer.topic), ("region", customer.region.as_str())];
            let texts = texts.map(|(name, text)| (name.to_owned(), RestrictedExpression::new_string(text.to_owned())));
            let numbers = [("age", customer.age), ("spend", customer.spend)];
            let numbers = numbers.map(|(name, number)| (name.to_owned(), RestrictedExpression::new_long(number)));
            let facts: HashMap<String, RestrictedExpression> = texts.into_iter().chain(numbers).collect();
            let context = Context::from_pairs(facts).unwrap();
            let [who, what, whom] = [r#"User::"a""#, r#"Action::"b""#, r#"Thing::"c""#].map(name);
            Request::new(who, what, whom, context, None).unwrap()
        })
        .collect();
    let (authorizer, entities) = (Authorizer::new(), Entities::empty());
    measure(rounds, |customer| {
        authorizer.is_authorized(&requests[customer], &policies, &entities).diagnostics().reason().count()
    })
}

fn json(customer: &Customer) -> serde_json::Value {
    let Customer { plan, age, topic, region, spend } = customer;
    serde_json::json!({"plan": plan, "age": age, "topic": topic, "region": region, "spend": spend})
}
