// Package notify answers how people are told of alerts: by a webhook of their
// own, Slack, Microsoft Teams, Discord, PagerDuty, e-mail or a command.
//
// # Model
//
// Each kind is an alert.Channel that carries one message at a time. What people
// read is worded in one place (text.go), in UTC, and is the same at every
// attempt; each channel writes it as its service wants it, with whatever means
// something there written so that it does not, and cut to the service's limits.
// A webhook and a command get the whole notification as JSON.
//
// # What is tried again
//
// Only what the other side finds wrong with the message itself can never be
// delivered (KindInvalid): a webhook's 400, 413 and 422, a refusal after the
// text of an e-mail, a command's exit status 65. A credential that is refused, a
// channel that is gone or an address that is wrong is a fault of the
// configuration or over there: it is tried again, so that what is put right in
// time still brings the message.
//
// # What it does not do
//
// It decides nothing, keeps no queue and knows no configuration. No error
// repeats an address or a secret.
//
// # Concurrency
//
// Channels are safe for concurrent use; nothing runs between two messages.
package notify
