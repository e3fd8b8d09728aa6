//! Every method that the server answers: its path, what a caller needs for it, and its class, from the options of the
//! .proto files. A method that is not listed here is refused.

use std::collections::HashMap;

use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, MethodDescriptor};

use super::DESCRIPTORS;
use super::proto::{CallClass, Scope};

/// What a caller needs to call a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing: anyone may call it.
    Public,
    /// Any valid token or certificate.
    Known,
    /// A token or certificate with this scope.
    Scoped(Scope),
}

/// One method.
#[derive(Debug, Clone)]
pub struct Method {
    /// Its place in the table.
    pub number: usize,
    /// Its path, such as `/tactful.v1.DecisionService/Decide`.
    pub path: String,
    /// What a caller needs.
    pub access: Access,
    /// When it is refused if there are too many calls.
    pub class: CallClass,
    /// Whether it compares customers and channels with those that the caller is bound to.
    pub checks_binding: bool,
    /// Whether either side may send several messages.
    pub streams: bool,
    /// Its messages; none for methods of other packages.
    pub descriptor: Option<MethodDescriptor>,
}

/// Why the table of methods cannot be made: a mistake in a .proto file.
#[derive(Debug, thiserror::Error)]
pub enum MethodsError {
    /// The protocol definitions cannot be read.
    #[error("the protocol definitions cannot be read: {0}")]
    Descriptors(#[from] prost_reflect::DescriptorError),
    /// An option of options.proto is missing.
    #[error("options.proto has no option `{0}`")]
    Undeclared(&'static str),
    /// A method does not have the option.
    #[error("`{path}` has no `{option}`: set it as in options.proto")]
    Missing {
        /// The method's path.
        path: String,
        /// The option's name.
        option: &'static str,
    },
}

/// Methods of other packages that the server answers.
const FOREIGN: [(&str, Access, CallClass); 5] = [
    ("/grpc.health.v1.Health/Check", Access::Public, CallClass::Health),
    ("/grpc.health.v1.Health/Watch", Access::Public, CallClass::Health),
    ("/grpc.health.v1.Health/List", Access::Public, CallClass::Health),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", Access::Known, CallClass::Background),
    ("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", Access::Known, CallClass::Background),
];

/// The table of methods.
#[derive(Debug, Clone)]
pub struct Methods {
    by_path: HashMap<String, Method, foldhash::fast::RandomState>,
}

impl Methods {
    /// The methods of the compiled protocol definitions, and those of other packages.
    ///
    /// # Errors
    /// When a method of ours lacks a scope or a class.
    pub fn new() -> Result<Self, MethodsError> {
        let pool = DescriptorPool::decode(DESCRIPTORS)?;
        let options = Options::new(&pool)?;
        let own = pool.services().flat_map(|service| service.methods().collect::<Vec<_>>());
        let own = own.map(|method| options.read(method)).collect::<Result<Vec<_>, _>>()?;
        let foreign = FOREIGN.map(|(path, access, class)| Method {
            number: 0,
            path: path.to_owned(),
            access,
            class,
            checks_binding: false,
            streams: !path.ends_with("/Check") && !path.ends_with("/List"),
            descriptor: None,
        });
        let mut all: Vec<Method> = own.into_iter().chain(foreign).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let numbered = all.into_iter().enumerate().map(|(number, method)| Method { number, ..method });
        Ok(Self { by_path: numbered.map(|method| (method.path.clone(), method)).collect() })
    }

    /// The method of a path, such as `/tactful.v1.DecisionService/Decide`.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Method> {
        self.by_path.get(path)
    }

    /// The paths of all methods, by their numbers.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.by_path.keys().cloned().collect();
        paths.sort_unstable();
        paths
    }

    /// Every method, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Method> {
        self.by_path.values()
    }
}

/// The options of options.proto.
struct Options {
    scope: ExtensionDescriptor,
    class: ExtensionDescriptor,
    checks_binding: ExtensionDescriptor,
    any_caller: ExtensionDescriptor,
}

impl Options {
    fn new(pool: &DescriptorPool) -> Result<Self, MethodsError> {
        let option = |name: &'static str| {
            let found = pool.all_extensions().find(|known| known.full_name().strip_prefix("tactful.v1.") == Some(name));
            found.ok_or(MethodsError::Undeclared(name))
        };
        Ok(Self {
            scope: option("scope")?,
            class: option("class")?,
            checks_binding: option("checks_binding")?,
            any_caller: option("any_caller")?,
        })
    }

    fn read(&self, method: MethodDescriptor) -> Result<Method, MethodsError> {
        let path = format!("/{}/{}", method.parent_service().full_name(), method.name());
        let options = method.options();
        let number = |option| number(&options, option);
        let missing = |option| MethodsError::Missing { path: path.clone(), option };
        let scope = Scope::try_from(number(&self.scope)).ok().filter(|scope| *scope != Scope::Unspecified);
        let class = CallClass::try_from(number(&self.class)).ok().filter(|class| *class != CallClass::Unspecified);
        let flag = |option| options.get_extension(option).as_bool() == Some(true);
        let access = match scope {
            None if flag(&self.any_caller) => Access::Known,
            scope => Access::Scoped(scope.ok_or_else(|| missing("scope"))?),
        };
        Ok(Method {
            number: 0,
            access,
            class: class.ok_or_else(|| missing("class"))?,
            checks_binding: flag(&self.checks_binding),
            streams: method.is_client_streaming() || method.is_server_streaming(),
            path,
            descriptor: Some(method),
        })
    }
}

fn number(options: &DynamicMessage, option: &ExtensionDescriptor) -> i32 {
    options.get_extension(option).as_enum_number().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_of_the_protocol_has_a_scope_and_a_class() {
        let methods = Methods::new().unwrap();
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let declared: usize = pool.services().map(|service| service.methods().count()).sum();
        assert!(declared > 20);
        assert_eq!(methods.iter().count(), declared + FOREIGN.len());
        let decide = methods.get("/tactful.v1.DecisionService/Decide").unwrap();
        assert_eq!((decide.access, decide.class), (Access::Scoped(Scope::Decide), CallClass::Decision));
        assert!(decide.checks_binding);
        assert!(methods.get("/tactful.v1.DecisionService/Other").is_none());
    }

    #[test]
    fn what_a_bound_caller_may_not_call_names_no_customer() {
        for method in Methods::new().unwrap().iter().filter(|method| !method.checks_binding) {
            let Some(descriptor) = &method.descriptor else { continue };
            let fields: Vec<String> = descriptor.input().fields().map(|field| field.name().to_owned()).collect();
            assert!(!fields.iter().any(|name| name == "customer_id"), "{} must check the binding", method.path);
        }
    }
}
