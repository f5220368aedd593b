package main

import (
	"fmt"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cartrita/cartrita/config"
)

// cli is the command line. Its tags are what the help and the completion say.
type cli struct {
	Globals globals `embed:""`

	Serve      serveCmd      `cmd:"" group:"Run" help:"Start the gateway."`
	Ready      readyCmd      `cmd:"" group:"Run" help:"Say whether the gateway that runs can serve calls."`
	Mock       mockCmd       `cmd:"" group:"Run" help:"Start a model server for tests and demonstrations."`
	Models     modelsCmd     `cmd:"" group:"Registry" help:"List, search, add, import and retire models."`
	Select     selectCmd     `cmd:"" group:"Ask" help:"Say which model a request would go to, and why."`
	Estimate   estimateCmd   `cmd:"" group:"Ask" help:"Say what requests would cost, and how estimates hold."`
	Chat       chatCmd       `cmd:"" group:"Ask" help:"Talk to a model."`
	Events     eventsCmd     `cmd:"" group:"Look back" help:"Show what happened, or follow it live."`
	Explain    explainCmd    `cmd:"" group:"Look back" help:"Explain why a call went where it went."`
	Budget     budgetCmd     `cmd:"" group:"Look back" help:"Create, list, override and audit budgets."`
	Limits     limitsCmd     `cmd:"" group:"Look back" help:"Show the rate limits and what is left of them."`
	Costs      costsCmd      `cmd:"" group:"Look back" help:"Add up costs."`
	Replay     replayCmd     `cmd:"" group:"Look back" help:"Decide stored calls again, as they were or as they might have been."`
	Alerts     alertsCmd     `cmd:"" group:"Look back" help:"Show what fires, change alert rules, try channels."`
	Keys       keysCmd       `cmd:"" group:"Set up" help:"Create, list, change, rotate and revoke API keys."`
	Config     configCmd     `cmd:"" group:"Set up" help:"Check or show the configuration."`
	Audit      auditCmd      `cmd:"" group:"Look back" help:"Show who changed what, and check that nothing of it was tampered with."`
	Cluster    clusterCmd    `cmd:"" group:"Look back" help:"Show the gateways on one database, and which of them leads."`
	DB         dbCmd         `cmd:"" name:"db" group:"Set up" help:"Look at the database, bring it up to date, check its sums, copy it."`
	Schema     schemaCmd     `cmd:"" group:"Set up" help:"Print a JSON Schema."`
	Completion completionCmd `cmd:"" group:"Set up" help:"Print a completion script for your shell."`
	Version    versionCmd    `cmd:"" group:"Set up" help:"Print the version."`
}

// globals are the flags of every command.
type globals struct {
	Server  string        `help:"Address of the gateway. Default: the one of the data directory, else (without --data) the configured one, else this process itself. Variable CARTRITA_SERVER." placeholder:"URL"`
	APIKey  string        `name:"api-key" help:"Key for the gateway, as env:NAME or file:/path. Default: the variable CARTRITA_API_KEY." placeholder:"REF"`
	Config  string        `short:"c" help:"Configuration file. Default: cartrita.yaml, if it is there. Variable CARTRITA_CONFIG." placeholder:"FILE"`
	Data    string        `help:"Directory of the store. Overrides the configuration." placeholder:"DIR"`
	JSON    bool          `name:"json" help:"Print JSON."`
	Color   string        `enum:"auto,always,never" default:"auto" help:"Use colour: auto, always or never."`
	Timeout time.Duration `help:"Give up on an answer after this time. Default: none."`
}

// loadOptions says where the configuration of this run comes from.
func (a *app) loadOptions(g *globals, flags ...config.Flag) config.Options {
	o := config.Options{File: g.Config, Environ: a.environ}
	if o.File == "" {
		o.File = a.getenv("CARTRITA_CONFIG")
	}
	if o.File == "" && fileExists(config.DefaultFile) {
		o.File = config.DefaultFile
	}
	if g.Data != "" {
		o.Flags = append(o.Flags, config.Flag{Name: "--data", Path: "data", Value: g.Data})
	}
	for _, f := range flags {
		if f.Value != "" {
			o.Flags = append(o.Flags, f)
		}
	}
	return o
}

// help prints kong's help and, for the whole command, what else to know.
func (a *app) help(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil {
		return err
	}
	if ctx.Selected() == nil {
		fmt.Fprintf(ctx.Stdout, "\n%s\n", exitNotes)
	}
	return nil
}
