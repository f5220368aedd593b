package main

import (
	"github.com/alecthomas/kong"

	"github.com/cartrita/cartrita/key"
	"github.com/cartrita/cartrita/model"
)

type keysUpdateCmd struct {
	Key     string  `arg:"" help:"Id or name of the key."`
	Name    *string `help:"New name." placeholder:"NAME"`
	Role    string  `help:"What it may do: caller, viewer, operator or admin." placeholder:"ROLE"`
	User    *string `help:"Owner; empty: none, as for the following." placeholder:"ID"`
	Team    *string `help:"Team that its calls are counted for." placeholder:"NAME"`
	Project *string `help:"Project that its calls are counted for." placeholder:"NAME"`

	Tag      []string `sep:"none" help:"Tag that its calls are counted for; may be repeated, and replaces those there were." placeholder:"TAG"`
	Model    []string `sep:"none" short:"m" help:"Only this model, or pattern; likewise." placeholder:"ID"`
	Strategy []string `sep:"none" short:"s" help:"Only this strategy; likewise." placeholder:"NAME"`
	Endpoint []string `sep:"none" help:"Only this endpoint, or pattern; likewise." placeholder:"ID"`

	RPM         *int64  `name:"rpm" help:"Requests per minute; 0: no limit, as for the following." placeholder:"N"`
	TPM         *int64  `name:"tpm" help:"Tokens per minute." placeholder:"N"`
	Concurrency *int64  `help:"Calls at once." placeholder:"N"`
	Expires     *string `help:"When it ends: a time, a date, how long from now such as 30d, or never." placeholder:"WHEN"`
}

// Run changes a key.
func (cmd *keysUpdateCmd) Run(a *app, g *globals, p *printer) error {
	f := key.Fields{Name: cmd.Name, User: cmd.User, Team: cmd.Team, Project: cmd.Project, Expires: cmd.Expires}
	if cmd.Role != "" {
		f.Role = new(key.Role)
		if err := f.Role.UnmarshalText([]byte(cmd.Role)); err != nil {
			return model.Invalidf("", "--role", "%v", err)
		}
	}
	for _, l := range []struct {
		from []string
		to   **[]string
	}{{cmd.Tag, &f.Tags}, {cmd.Model, &f.Models}, {cmd.Strategy, &f.Strategies}, {cmd.Endpoint, &f.Endpoints}} {
		if len(l.from) > 0 {
			list := []string{} // "" alone clears, which is why kong does not split
			for _, s := range l.from {
				list = append(list, kong.SplitEscaped(s, ',')...)
			}
			*l.to = &list
		}
	}
	limits := cmd.RPM != nil || cmd.TPM != nil || cmd.Concurrency != nil
	if f == (key.Fields{}) && !limits {
		return model.Invalidf("", "", "nothing to change: give one of --name, --role, --user, --team, --project, --tag, --model, --strategy, --endpoint, --rpm, --tpm, --concurrency, --expires")
	}
	return ask(a, g, p, func(c *client) ([]byte, error) {
		path, err := a.keyPath(c, cmd.Key)
		if err != nil {
			return nil, err
		}
		if limits {
			if f.Limits, err = cmd.limits(a, c, path); err != nil {
				return nil, err
			}
		}
		return c.post(a.ctx, path+"/update", nil, f)
	}, p.oneKey)
}

// limits are those of the key with what is to change: the API takes all three.
func (cmd *keysUpdateCmd) limits(a *app, c *client, path string) (*key.Limits, error) {
	raw, err := c.get(a.ctx, path, nil)
	if err != nil {
		return nil, err
	}
	k, err := decode[keyAnswer](raw)
	if err != nil {
		return nil, err
	}
	for _, m := range []struct {
		from *int64
		to   *int64
	}{{cmd.RPM, &k.Limits.Requests}, {cmd.TPM, &k.Limits.Tokens}, {cmd.Concurrency, &k.Limits.Concurrency}} {
		if m.from != nil {
			*m.to = *m.from
		}
	}
	return &k.Limits, nil
}
