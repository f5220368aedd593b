package config

import (
	"fmt"
	"maps"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of AlertChannel.Kind.
const (
	ChannelWebhook   = "webhook"
	ChannelSlack     = "slack"
	ChannelTeams     = "teams"
	ChannelDiscord   = "discord"
	ChannelPagerDuty = "pagerduty"
	ChannelEmail     = "email"
	ChannelCommand   = "command"
)

// The values of AlertChannel.TLS.
const (
	MailStartTLS = "starttls"
	MailTLS      = "tls"
	MailNoTLS    = "none"
)

// AlertChannel is how people are told of alerts.
type AlertChannel struct {
	// Name, by which rules choose it.
	Name string `json:"name"`
	// What it is: webhook, slack, teams, discord, pagerduty, email or command.
	Kind string `json:"kind"`
	// How long one attempt may take, 30s at most. [10s]
	Timeout Duration `json:"timeout,omitzero"`

	// Where a webhook is, your own or that of Slack, Teams or Discord, itself or where that is: env:NAME or file:/path. For pagerduty, the server before /v2/enqueue. [https://events.pagerduty.com, for pagerduty]
	URL string `json:"url,omitempty"`
	// Where the secret is with which a webhook is signed: env:NAME or file:/path.
	Secret Ref `json:"secret,omitempty"`
	// Headers of requests to a webhook. A value may be a reference.
	Headers map[string]string `json:"headers,omitempty"`
	// Where the routing key of the integration at PagerDuty is: env:NAME or file:/path.
	RoutingKey Ref `json:"routing_key,omitempty"`

	// Server that takes mail, host:port.
	Server string `json:"server,omitempty"`
	// Address that mail comes from, such as Cartrita <alerts@example.com>.
	From string `json:"from,omitempty"`
	// Addresses that mail goes to.
	To []string `json:"to,omitempty"`
	// How mail is encrypted on its way to the server: starttls, tls or none. [tls on port 465, else starttls]
	TLS string `json:"tls,omitempty"`
	// User at the mail server.
	User string `json:"user,omitempty"`
	// Where the user's password is: env:NAME or file:/path.
	Password Ref `json:"password,omitempty"`

	// Program to run and its arguments, which no shell reads. Only the file of a gateway itself may name one.
	Command []string `json:"command,omitempty"`
}

// longestAttempt is how long an attempt to deliver is waited for in any case.
const longestAttempt = Duration(30 * time.Second)

// channelFields are the fields of each kind: those it needs, then those it may have.
var channelFields = map[string][2][]string{
	ChannelWebhook:   {{"url"}, {"secret", "headers"}},
	ChannelSlack:     {{"url"}, nil},
	ChannelTeams:     {{"url"}, nil},
	ChannelDiscord:   {{"url"}, nil},
	ChannelPagerDuty: {{"routing_key"}, {"url"}},
	ChannelEmail:     {{"server", "from", "to"}, {"tls", "user", "password"}},
	ChannelCommand:   {{"command"}, nil},
}

var channelKinds = []string{ChannelWebhook, ChannelSlack, ChannelTeams, ChannelDiscord, ChannelPagerDuty, ChannelEmail, ChannelCommand}

// given says which of the fields that belong to a kind are set.
func (c *AlertChannel) given() map[string]bool {
	return map[string]bool{
		"url": c.URL != "", "secret": c.Secret != "", "headers": len(c.Headers) > 0, "routing_key": c.RoutingKey != "",
		"server": c.Server != "", "from": c.From != "", "to": len(c.To) > 0, "tls": c.TLS != "", "user": c.User != "", "password": c.Password != "",
		"command": len(c.Command) > 0,
	}
}

func (v *validator) alertChannels(at string, list []AlertChannel) {
	seen := map[string]bool{}
	for i := range list {
		c, at := &list[i], fmt.Sprintf("%s[%d]", at, i)
		v.name(at+".name", c.Name, seen)
		if c.Timeout < 0 || c.Timeout > longestAttempt {
			v.problem(at+".timeout", "want more than 0, and %s at most", longestAttempt)
		}
		v.headers(at+".headers", c.Headers)
		fields, known := channelFields[c.Kind]
		if !known {
			v.problem(at+".kind", "%q: want %s%s", c.Kind, orList(channelKinds), suggest(c.Kind, channelKinds))
			continue
		}
		v.fields(at, "a channel of kind "+c.Kind, fields, c.given())
		if c.URL != "" {
			v.secretURL(at+".url", c.URL)
		}
		if c.Kind == ChannelEmail {
			v.mailChannel(at, c)
		}
		if c.Kind == ChannelCommand && len(c.Command) > 0 && c.Command[0] == "" {
			v.problem(at+".command[0]", "want the name of a program")
		}
	}
}

// secretURL checks the address of a server, or where that is. It never repeats
// the address, which lets whoever knows it in.
func (v *validator) secretURL(path, s string) {
	if isRef(s) {
		if err := checkRef(s); err != nil {
			v.problem(path, "%s", err)
		}
		return
	}
	switch u, err := url.Parse(s); {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		v.problem(path, "want a URL such as https://hooks.example.com/alerts, env:NAME or file:/path")
	case u.User != nil:
		v.problem(path, "want a URL without user and password; a credential goes into headers as a reference")
	case u.Fragment != "":
		v.problem(path, "want a URL without fragment")
	}
}

// fields checks that what something needs is set, and nothing that is not for it.
func (v *validator) fields(at, what string, fields [2][]string, given map[string]bool) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch needed := slices.Contains(fields[0], name); {
		case needed && !given[name]:
			v.problem(at+"."+name, "is missing: %s needs it", what)
		case given[name] && !needed && !slices.Contains(fields[1], name):
			v.problem(at+"."+name, "is not for %s", what)
		}
	}
}

func (v *validator) mailChannel(at string, c *AlertChannel) {
	host, port, err := net.SplitHostPort(c.Server)
	if n, perr := strconv.ParseUint(port, 10, 16); c.Server != "" && (err != nil || perr != nil || n == 0 || host == "") {
		v.problem(at+".server", "%q: want host:port, such as smtp.example.com:587", c.Server)
	}
	address := func(at, s string) {
		if _, err := mail.ParseAddress(s); err != nil {
			v.problem(at, "%q: want an address, such as alerts@example.com", s)
		}
	}
	if c.From != "" {
		address(at+".from", c.From)
	}
	for i, to := range c.To {
		address(fmt.Sprintf("%s.to[%d]", at, i), to)
	}
	if c.TLS != "" {
		v.oneOf(at+".tls", c.TLS, MailStartTLS, MailTLS, MailNoTLS)
	}
	if (c.User == "") != (c.Password == "") {
		v.problem(at+".user", "user and password go together")
	}
	if c.TLS == MailNoTLS && c.Password != "" {
		v.problem(at+".tls", "a password is sent over TLS only")
	}
}

// refuseCommands lists the programs of a shared document: who may write it could
// run anything on the machine of every gateway.
func refuseCommands(source string, n *node, path string) (problems []Problem) {
	for i, item := range n.items {
		problems = append(problems, refuseCommands(source, item, fmt.Sprintf("%s[%d]", path, i))...)
	}
	for _, f := range n.fields {
		at := join(path, f.name)
		if f.name == "command" && strings.HasPrefix(at, "alerts.channels[") {
			problems = append(problems, Problem{Source: source, Line: f.line, Column: f.column, Path: at,
				Message: "names a program: set it in the file of each gateway"})
			continue
		}
		problems = append(problems, refuseCommands(source, f.value, at)...)
	}
	return problems
}
