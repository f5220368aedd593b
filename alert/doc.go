// Package alert answers what is wrong, and whom to tell: it measures rules over
// the calls of all gateways and their budgets, fires and resolves each once, and
// hands messages to channels until they are delivered.
//
// What is measured comes in as plain values: calls as Call, budgets and spools
// through Sources. Channels are made elsewhere (package notify). Everything that
// must survive lies in a Store; the gateway that leads evaluates and delivers.
package alert
