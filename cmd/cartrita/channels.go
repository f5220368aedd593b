package main

import (
	"fmt"

	"github.com/cartrita/cartrita/alert"
	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/model"
	"github.com/cartrita/cartrita/notify"
)

// newChannels makes how people are told of alerts, by name. Nothing is opened.
func newChannels(l *config.Loaded, secrets *config.Secrets) (map[string]alert.Channel, error) {
	out := map[string]alert.Channel{}
	var problems []config.Problem
	for i := range l.Alerts.Channels {
		c := &l.Alerts.Channels[i]
		channel, err := newChannel(c, secrets)
		if err != nil {
			e := model.AsError(err)
			problems = append(problems, config.Problem{Path: fmt.Sprintf("alerts.channels[%d].%s", i, orDefault(e.Param, "kind")), Message: e.Message})
		}
		out[c.Name] = channel
	}
	return out, l.Refuse(problems)
}

func newChannel(c *config.AlertChannel, secrets *config.Secrets) (alert.Channel, error) {
	s := resolver{secrets: secrets}
	http := notify.HTTPConfig{URL: s.literal("url", c.URL), Timeout: c.Timeout.Std()}
	secret, routingKey, password := s.literal("secret", string(c.Secret)), s.literal("routing_key", string(c.RoutingKey)), s.literal("password", string(c.Password))
	headers := s.headers("headers", c.Headers)
	if s.problem != nil {
		return nil, s.problem
	}
	switch c.Kind {
	case config.ChannelWebhook:
		return notify.NewWebhook(notify.WebhookConfig{HTTPConfig: http, Secret: []byte(secret), Headers: headers})
	case config.ChannelSlack:
		return notify.NewSlack(http)
	case config.ChannelTeams:
		return notify.NewTeams(http)
	case config.ChannelDiscord:
		return notify.NewDiscord(http)
	case config.ChannelPagerDuty:
		return notify.NewPagerDuty(notify.PagerDutyConfig{HTTPConfig: http, RoutingKey: routingKey})
	case config.ChannelEmail:
		return notify.NewEmail(notify.EmailConfig{
			Server: c.Server, From: c.From, To: c.To, User: c.User, Password: password, TLS: c.TLS, Timeout: c.Timeout.Std(),
		})
	default: // the configuration allows the seven only
		return notify.NewCommand(notify.CommandConfig{Command: c.Command, Timeout: c.Timeout.Std()})
	}
}

// resolver finds what fields refer to, and keeps the first that cannot be found.
type resolver struct {
	secrets *config.Secrets
	problem error
}

func (r *resolver) literal(field, value string) string {
	v, err := r.secrets.Literal(value)
	r.note(field, err)
	return v
}

func (r *resolver) headers(field string, given map[string]string) map[string]string {
	h, err := resolveHeaders(given, r.secrets)
	r.note(field, err)
	return h
}

func (r *resolver) note(field string, err error) {
	if err != nil && r.problem == nil {
		r.problem = model.Invalidf("", field, "%s", model.AsError(err).Message)
	}
}
