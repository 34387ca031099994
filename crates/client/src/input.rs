//! The arguments of a call, collected while it is built.

use evertide_proto::common::{Payload, Payloads};
use serde::Serialize;

use crate::definition::KnownArgs;
use crate::error::{Error, Result};
use crate::payload::{Args, to_payload};

/// Arguments so far, or what was wrong with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Input {
    payloads: Vec<Payload>,
    one_by_one: bool,
    all_at_once: bool,
    failed: Option<Error>,
}

impl Input {
    pub(crate) fn push<T: Serialize + ?Sized>(&mut self, value: &T) {
        self.one_by_one = true;
        match to_payload(value) {
            Ok(payload) => self.payloads.push(payload),
            Err(error) => self.fail(error),
        }
    }

    pub(crate) fn set(&mut self, args: &impl Args) {
        self.set_payloads(args.to_payloads());
    }

    pub(crate) fn set_payloads(&mut self, payloads: Result<Vec<Payload>>) {
        if std::mem::replace(&mut self.all_at_once, true) {
            self.fail(Error::invalid("args was given twice"));
        }
        match payloads {
            Ok(payloads) => self.payloads = payloads,
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: Error) {
        self.failed.get_or_insert(error);
    }

    /// The payloads, which must be as many as the definition asks for.
    pub(crate) fn finish<A: KnownArgs>(self) -> Result<Option<Payloads>> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.one_by_one && self.all_at_once {
            return Err(Error::invalid("Cannot have arg and args; give the arguments one by one, or all at once"));
        }
        A::check_count(self.payloads.len())?;
        Ok((!self.payloads.is_empty()).then_some(Payloads { payloads: self.payloads }))
    }
}

/// Gives a builder with a field `input` its setters, by what is known about the arguments: its first parameter.
macro_rules! takes_args {
    ($builder:ident $(<$($parameter:ident),*>)?) => {
        impl $(<$($parameter),*>)? $builder<crate::definition::AnyArgs $($(, $parameter)*)?> {
            /// Adds an argument.
            pub fn arg<Value: serde::Serialize + ?Sized>(mut self, value: &Value) -> Self {
                self.input.push(value);
                self
            }

            /// Sets all arguments at once, as a tuple. Not together with `arg`.
            pub fn args(mut self, args: impl crate::payload::Args) -> Self {
                self.input.set(&args);
                self
            }
        }

        impl<Only $($(, $parameter)*)?> $builder<(Only,) $($(, $parameter)*)?> {
            /// Sets the only argument.
            pub fn arg<Value>(mut self, value: &Value) -> Self
            where
                Value: serde::Serialize + crate::definition::AsArg<Only> + ?Sized,
            {
                self.input.push(value);
                self
            }
        }

        #[cfg(feature = "temporalio")]
        impl<Input $($(, $parameter)*)?> $builder<crate::temporalio::Arg<Input> $($(, $parameter)*)?>
        where
            Input: temporalio_common_wasm::data_converters::TemporalSerializable + 'static,
        {
            /// Sets the argument.
            pub fn arg<Value: crate::definition::AsArg<Input> + ?Sized>(mut self, value: &Value) -> Self {
                self.input.set_payloads(value.lend(crate::temporalio::to_payloads));
                self
            }

            /// Sets an argument that stands for several, as a tuple of them.
            pub fn args(self, args: impl Into<Input>) -> Self {
                self.arg(&args.into())
            }
        }

        impl<All: crate::payload::Args $($(, $parameter)*)?> $builder<All $($(, $parameter)*)?> {
            /// Sets all arguments at once, as a tuple. Not together with `arg`.
            pub fn args(mut self, args: All) -> Self {
                self.input.set(&args);
                self
            }
        }
    };
}
pub(crate) use takes_args;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::AnyArgs;

    fn refused<A: KnownArgs>(input: Input) -> String {
        input.finish::<A>().unwrap_err().to_string()
    }

    #[test]
    fn no_arguments_are_no_payloads_at_all() {
        assert_eq!(Input::default().finish::<AnyArgs>().unwrap(), None);
        assert_eq!(Input::default().finish::<()>().unwrap(), None);
    }

    #[test]
    fn arguments_come_one_by_one_or_all_at_once() {
        let mut one_by_one = Input::default();
        one_by_one.push(&1);
        one_by_one.push("two");
        let mut all_at_once = Input::default();
        all_at_once.set(&(1, "two"));
        assert_eq!(
            one_by_one.clone().finish::<AnyArgs>().unwrap(),
            all_at_once.clone().finish::<(u8, String)>().unwrap()
        );

        one_by_one.set(&(1,));
        assert!(refused::<AnyArgs>(one_by_one).starts_with("Cannot have arg and args"));
        all_at_once.set(&(1,));
        assert!(refused::<AnyArgs>(all_at_once).contains("twice"));
    }

    #[test]
    fn a_definition_knows_how_many() {
        assert!(refused::<(u8,)>(Input::default()).contains("takes 1 arguments, and 0"));
    }

    #[test]
    fn the_first_failure_is_told() {
        let mut input = Input::default();
        input.push(&std::collections::BTreeMap::from([((1, 2), 3)]));
        input.set(&(1,));
        assert!(matches!(input.finish::<AnyArgs>().unwrap_err().kind(), crate::ErrorKind::Conversion(_)));
    }
}
