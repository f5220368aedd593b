// Package gateway answers HTTP: OpenAI's surfaces, and Cartrita's own API,
// over the Service.
//
// # Model
//
// One request is one exchange. A request to an OpenAI surface is read once,
// scanned once without decoding its text, and becomes a model.Call; the Service
// carries the call and answers through the exchange, which is its
// cartrita.Writer. After the Call is made nothing sees HTTP. Every other
// request reads or writes one thing through the Service, the registry, or the
// event reader, as JSON.
//
// In order: the path is found; the caller is checked; the body is read within
// its limits; the call waits for a place among those that run; it is carried;
// metrics and, where a tracer is configured, spans are taken from its record.
//
// # Who may call
//
// With API keys configured every path but /healthz and /readyz wants one of
// them. Without any, the gateway serves this machine only: listening on
// loopback alone is the caller's duty, and since browsers on this machine can
// be made to send requests too, Host and Origin must be loopback names (or
// those of Config.AllowedHosts).
//
// # Limits
//
// Bodies are bounded one by one and together, headers by size and time, writes
// to slow clients by time, calls by number; calls over the number wait in a
// bounded queue by priority. A write may stall for Limits.WriteTimeout and at
// most half as long again. Every refusal says when to come back.
//
// # Errors
//
// Every error leaves in OpenAI's shape with the status of its kind, and names
// the field at fault. Errors of ours are logged with the request id, which is
// all that their caller sees. After a stream has begun an error is an event in
// it, never followed by [DONE]; the trailer X-Cartrita-Error carries its code.
// The transport ends regularly even then, because clients throw away what they
// have buffered, the error event included, when it does not.
//
// # What it does not do
//
// It does not choose, retry, price or record: the Service does. It does not
// terminate TLS and adds no CORS headers. It never looks at an upstream's
// address: those come from configuration alone.
//
// A Gateway is safe for concurrent use. An exchange belongs to its request.
package gateway
