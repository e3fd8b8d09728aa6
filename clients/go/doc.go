// Package tactful is a client of Tactful, which picks the next step in the conversation with a customer, or silence.
//
//	client, err := tactful.New("http://127.0.0.1:50051")
//	decision, err := client.Decide(ctx, tactful.Question{CustomerID: "anna", Channel: "web"})
//
// A late or unreachable server is no error: [Client.Decide] then answers with silence that is Local. Retries send the
// same ids, so that a call counts once.
package tactful
