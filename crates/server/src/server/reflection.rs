//! Server reflection: the services and messages, told to clients that do not know them.
//!
//! The library's service ends a stream of questions at the first one without an answer. The protocol wants an error in
//! the place of that answer, so each question is put to it by itself.

use evertide_proto::DESCRIPTORS;
use futures::StreamExt;
use futures::stream::{BoxStream, once};
use tonic::{Request, Response, Status, Streaming};
use tonic_reflection::pb;
use tonic_reflection::server::{Builder, Error};

/// Everything that can be asked about.
fn described() -> Builder<'static> {
    Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(pb::v1alpha::FILE_DESCRIPTOR_SET)
}

macro_rules! reflection {
    ($version:ident, $build:ident) => {
        pub(super) mod $version {
            use super::*;
            use pb::$version::server_reflection_client::ServerReflectionClient;
            use pb::$version::server_reflection_response::MessageResponse;
            use pb::$version::server_reflection_server::{ServerReflection, ServerReflectionServer};
            use pb::$version::{ErrorResponse, ServerReflectionRequest, ServerReflectionResponse};

            /// The service, by the library's one.
            struct EachByItself<S>(ServerReflectionClient<ServerReflectionServer<S>>);

            /// The reflection service of this version of the protocol.
            ///
            /// # Errors
            /// The descriptions cannot be read.
            pub(in crate::server) fn service() -> Result<ServerReflectionServer<impl ServerReflection>, Error> {
                let library = described().$build()?;
                Ok(ServerReflectionServer::new(EachByItself(ServerReflectionClient::new(library))))
            }

            #[tonic::async_trait]
            impl<S: ServerReflection> ServerReflection for EachByItself<S> {
                type ServerReflectionInfoStream = BoxStream<'static, Result<ServerReflectionResponse, Status>>;

                async fn server_reflection_info(
                    &self,
                    request: Request<Streaming<ServerReflectionRequest>>,
                ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                    let client = self.0.clone();
                    let answers = request.into_inner().then(move |question| answer(client.clone(), question));
                    Ok(Response::new(answers.boxed()))
                }
            }

            async fn answer<S: ServerReflection>(
                mut client: ServerReflectionClient<ServerReflectionServer<S>>,
                question: Result<ServerReflectionRequest, Status>,
            ) -> Result<ServerReflectionResponse, Status> {
                let question = question?;
                let asked = question.clone();
                let answered = async {
                    let mut answers = client.server_reflection_info(once(async { asked })).await?.into_inner();
                    answers.message().await
                };
                let status = match answered.await {
                    Ok(Some(answer)) => return Ok(answer),
                    Ok(None) => Status::internal("no answer"),
                    Err(status) => status,
                };
                let error =
                    ErrorResponse { error_code: status.code().into(), error_message: status.message().to_owned() };
                Ok(ServerReflectionResponse {
                    valid_host: question.host.clone(),
                    original_request: Some(question),
                    message_response: Some(MessageResponse::ErrorResponse(error)),
                })
            }
        }
    };
}

reflection!(v1, build_v1);
reflection!(v1alpha, build_v1alpha);
