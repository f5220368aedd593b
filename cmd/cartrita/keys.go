package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

const keysPath = "/api/v1/keys"

type keysCmd struct {
	Create keysCreateCmd `cmd:"" help:"Make a key; its secret is shown this once."`
	List   keysListCmd   `cmd:"" default:"1" help:"List keys."`
	Show   keysShowCmd   `cmd:"" help:"Show one key."`
	Update keysUpdateCmd `cmd:"" help:"Change a key; what is left out stays."`
	Rotate keysRotateCmd `cmd:"" help:"Give a key a new secret; the former one stays valid for a while."`
	Revoke keysRevokeCmd `cmd:"" help:"End a key for good."`
}

// keyAnswer is a key as the API shows it.
type keyAnswer struct {
	key.Key
	State key.State `json:"state"`
	Token string    `json:"key"`

	Warnings []string `json:"warnings"`
}

type keysCreateCmd struct {
	Name    string   `arg:"" help:"Name of the key."`
	Role    string   `default:"caller" help:"What it may do: caller, viewer, operator or admin." placeholder:"ROLE"`
	User    string   `help:"Owner: its calls are this user's, whatever they say." placeholder:"ID"`
	Team    string   `help:"Team that its calls are counted for." placeholder:"NAME"`
	Project string   `help:"Project that its calls are counted for." placeholder:"NAME"`
	Tag     []string `help:"Tag that its calls are counted for; may be repeated." placeholder:"TAG"`

	Model    []string `short:"m" help:"Only this model, or pattern such as openai/*; may be repeated." placeholder:"ID"`
	Strategy []string `short:"s" help:"Only this strategy; may be repeated." placeholder:"NAME"`
	Endpoint []string `help:"Only this endpoint, or pattern; may be repeated." placeholder:"ID"`

	RPM         int64  `name:"rpm" help:"Requests per minute." placeholder:"N"`
	TPM         int64  `name:"tpm" help:"Tokens per minute." placeholder:"N"`
	Concurrency int64  `help:"Calls at once." placeholder:"N"`
	Expires     string `help:"When it ends: a time, a date, or how long from now such as 30d. Default: never." placeholder:"WHEN"`
}

// Run makes a key.
func (cmd *keysCreateCmd) Run(a *app, g *globals, p *printer) error {
	var role key.Role
	if err := role.UnmarshalText([]byte(cmd.Role)); err != nil {
		return model.Invalidf("", "--role", "%v", err)
	}
	f := key.Fields{
		Name: &cmd.Name, Role: &role, User: &cmd.User, Team: &cmd.Team, Project: &cmd.Project,
		Limits: &key.Limits{Requests: cmd.RPM, Tokens: cmd.TPM, Concurrency: cmd.Concurrency},
	}
	for _, l := range []struct {
		from []string
		to   **[]string
	}{{cmd.Tag, &f.Tags}, {cmd.Model, &f.Models}, {cmd.Strategy, &f.Strategies}, {cmd.Endpoint, &f.Endpoints}} {
		if len(l.from) > 0 {
			*l.to = &l.from
		}
	}
	if cmd.Expires != "" {
		f.Expires = &cmd.Expires
	}
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.post(a.ctx, keysPath, nil, f) }, p.newKey)
}

type keysListCmd struct {
	All bool `help:"Also those that expired or were revoked."`
}

// Run lists keys.
func (cmd *keysListCmd) Run(a *app, g *globals, p *printer) error {
	type answer struct{ Keys []keyAnswer }
	return ask(a, g, p, func(c *client) ([]byte, error) { return c.get(a.ctx, keysPath, nil) }, func(list answer) {
		p.keys(list.Keys, cmd.All)
	})
}

func (p *printer) keys(list []keyAnswer, all bool) {
	t := p.table("id", "~name", "role", "state", "~user", "~team", "~project", "~limits", "expires", "last used")
	hidden := 0
	for i := range list {
		k := &list[i]
		if k.State != key.StateActive && !all {
			hidden++
			continue
		}
		t.row(string(k.ID), k.Name, k.Role.String(), string(k.State), k.User, k.Team, k.Project, limitsText(k.Limits), dayOf(k.Expires, "never"), dayOf(k.LastUsed, "never"))
	}
	t.flush()
	switch {
	case len(list) == 0:
		p.notef("no keys; make one with `cartrita keys create`")
	case hidden > 0:
		p.notef("%s that expired or %s revoked: --all shows them", plural(hidden, "key"), agree(int64(hidden), "was", "were"))
	}
}

func limitsText(l key.Limits) string {
	var parts []string
	for _, e := range []struct {
		n    int64
		unit string
	}{{l.Requests, "req/min"}, {l.Tokens, "tok/min"}, {l.Concurrency, "at once"}} {
		if e.n > 0 {
			parts = append(parts, strconv.FormatInt(e.n, 10)+" "+e.unit)
		}
	}
	return strings.Join(parts, ", ")
}

func dayOf(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return t.UTC().Format("2006-01-02 15:04")
}

type keysShowCmd struct {
	Key string `arg:"" help:"Id or name of the key."`
}

// Run shows one key.
func (cmd *keysShowCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) {
		path, err := a.keyPath(c, cmd.Key)
		if err != nil {
			return nil, err
		}
		return c.get(a.ctx, path, nil)
	}, p.oneKey)
}

type keysRotateCmd struct {
	Key   string `arg:"" help:"Id or name of the key."`
	Grace string `default:"24h" help:"How long the former secret stays valid, such as 24h, 7d or 0s." placeholder:"TIME"`
}

// Run rotates a key.
func (cmd *keysRotateCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) {
		path, err := a.keyPath(c, cmd.Key)
		if err != nil {
			return nil, err
		}
		return c.post(a.ctx, path+"/rotate", nil, map[string]string{"grace": cmd.Grace})
	}, p.newKey)
}

type keysRevokeCmd struct {
	Key string `arg:"" help:"Id or name of the key."`
}

// Run revokes a key.
func (cmd *keysRevokeCmd) Run(a *app, g *globals, p *printer) error {
	return ask(a, g, p, func(c *client) ([]byte, error) {
		path, err := a.keyPath(c, cmd.Key)
		if err != nil {
			return nil, err
		}
		return c.post(a.ctx, path+"/revoke", nil, struct{}{})
	}, p.oneKey)
}

// keyPath finds a key by its id, or by its name: of those that share one, by the
// active key, which is the only one, else by one that ended.
func (a *app) keyPath(c *client, name string) (string, error) {
	raw, err := c.get(a.ctx, keysPath, nil)
	if err != nil {
		return "", err
	}
	list, err := decode[struct{ Keys []keyAnswer }](raw)
	if err != nil {
		return "", err
	}
	found := map[key.State][]string{}
	for i := range list.Keys {
		k := &list.Keys[i]
		if string(k.ID) == name {
			return keysPath + "/" + url.PathEscape(name), nil
		}
		if k.Name == name {
			found[k.State] = append(found[k.State], string(k.ID))
		}
	}
	for _, state := range []key.State{key.StateActive, key.StateExpired, key.StateRevoked} {
		switch ids := found[state]; len(ids) {
		case 0:
		case 1:
			return keysPath + "/" + ids[0], nil
		default:
			return "", model.Invalidf("", "key", "%d %s keys are named %q: %s; give the id", len(ids), state, name, strings.Join(ids, ", "))
		}
	}
	return "", model.Errorf("", model.KindNotFound, "no key has the id or name %q; run `cartrita keys list --all`", name)
}

// newKey prints a key with its secret: the secret alone on standard output, so
// that a script can keep it.
func (p *printer) newKey(k keyAnswer) {
	p.printf("%s\n", k.Token)
	p.warnings(&k)
	p.notef("key %s (%s, %s): keep it now, it is not shown again", k.ID, k.Name, k.Role)
	if !k.GraceEnds.IsZero() {
		p.notef("the former secret is accepted until %s UTC", dayOf(k.GraceEnds, ""))
	}
}

func (p *printer) warnings(k *keyAnswer) {
	for _, w := range k.Warnings {
		p.notef("warning: %s", w)
	}
}

func (p *printer) oneKey(k keyAnswer) {
	for _, line := range [][2]string{
		{"id", string(k.ID)}, {"name", k.Name}, {"role", k.Role.String()}, {"state", string(k.State)}, {"user", k.User},
		{"team", k.Team}, {"project", k.Project}, {"tags", strings.Join(k.Tags, ", ")}, {"models", strings.Join(k.Models, ", ")},
		{"strategies", strings.Join(k.Strategies, ", ")}, {"endpoints", strings.Join(k.Endpoints, ", ")}, {"limits", limitsText(k.Limits)},
		{"created", by(k.Created, k.CreatedBy)}, {"changed", by(k.Changed, k.ChangedBy)}, {"rotated", dayOf(k.Rotated, "")},
		{"former secret until", dayOf(k.GraceEnds, "")}, {"expires", dayOf(k.Expires, "never")}, {"revoked", dayOf(k.Revoked, "")},
		{"last used", dayOf(k.LastUsed, "never")},
	} {
		if line[1] != "" {
			p.printf("%s\n", fmt.Sprintf("%-20s %s", line[0], line[1]))
		}
	}
	p.warnings(&k)
}

func by(t time.Time, who string) string {
	if who == "" {
		return dayOf(t, "")
	}
	return dayOf(t, "") + " by " + who
}
