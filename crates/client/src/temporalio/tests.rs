use temporalio_common_wasm::data_converters::{MultiArgs2, RawValue};

use super::*;

fn round_trip<T: TemporalSerializable + TemporalDeserializable + 'static>(value: &T) -> T {
    from_payloads(&to_payloads(value).unwrap()).unwrap()
}

#[test]
fn values_come_back_as_they_went() {
    assert_eq!(round_trip(&"Ada".to_owned()), "Ada");
    assert_eq!(round_trip(&vec![0_u8, 255]), [0, 255]);
    assert_eq!(round_trip(&None::<u32>), None);
    assert_eq!(round_trip(&MultiArgs2(7_u32, "seven".to_owned())), MultiArgs2(7, "seven".to_owned()));
}

#[test]
fn payloads_are_those_of_other_calls() {
    assert_eq!(to_payloads(&"Ada".to_owned()).unwrap(), [payload::to_payload("Ada").unwrap()]);
    let several = to_payloads(&MultiArgs2(7_u32, true)).unwrap();
    assert_eq!(several, [payload::to_payload(&7).unwrap(), payload::to_payload(&true).unwrap()]);
    assert_eq!(to_payloads(&()).unwrap(), []);
}

#[test]
fn no_payload_at_all_reads_as_nothing() {
    from_payloads::<()>(&[]).unwrap();
    assert_eq!(from_payloads::<Option<String>>(&[]).unwrap(), None);
    assert!(from_payloads::<RawValue>(&[]).unwrap().payloads.is_empty());
    let error = <Typed<String> as ResultAs<String>>::read(&[], "the query's result").unwrap_err();
    assert!(error.to_string().contains("the query's result"), "{error}");
}

#[test]
fn an_argument_that_is_missing_is_told() {
    Arg::<()>::check_count(0).unwrap();
    Arg::<MultiArgs2<u8, u8>>::check_count(2).unwrap();
    let error = Arg::<String>::check_count(0).unwrap_err();
    assert!(error.to_string().contains("String, and none was given"), "{error}");
}
