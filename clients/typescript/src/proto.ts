// The messages and services of the protocol, and the details of its errors, as generated.
export { toJson } from "@bufbuild/protobuf";
export * from "./gen/google/rpc/error_details_pb.js";
export * from "./gen/tactful/v1/admin_pb.js";
export * from "./gen/tactful/v1/caller_pb.js";
export * from "./gen/tactful/v1/common_pb.js";
export * from "./gen/tactful/v1/consent_pb.js";
export * from "./gen/tactful/v1/decision_pb.js";
export * from "./gen/tactful/v1/journey_pb.js";
export * from "./gen/tactful/v1/options_pb.js";
export * from "./gen/tactful/v1/privacy_pb.js";
export * from "./gen/tactful/v1/rules_pb.js";
