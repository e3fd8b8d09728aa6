/**
 * A client of Tactful: the next step for a customer, outcomes, events and consents, with deadlines and retries.
 *
 * <p>Start with {@link dev.tactful.client.TactfulClient}. The messages are those of the protocol, in {@code dev.tactful.v1}.
 */
package dev.tactful.client;
