package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

type mockCmd struct {
	Listen  string `default:"127.0.0.1:9090" help:"Address to listen on; port 0 takes a free one." placeholder:"ADDR"`
	File    string `arg:"" optional:"" help:"YAML file of models and their behaviour. Default: the demo models."`
	Example bool   `help:"Print the demo models as a file to start from."`
	Seed    uint64 `default:"1" help:"Seed of answers, delays and failures." placeholder:"N"`
	APIKey  string `name:"require-key" help:"Key that callers must present, as env:NAME or file:/path." placeholder:"REF"`
	Strict  bool   `help:"Refuse request fields that the API does not define."`

	TTFT            *time.Duration `name:"ttft" group:"Every model" help:"Time to the first token." placeholder:"TIME"`
	TokensPerSecond *float64       `name:"tokens-per-second" group:"Every model" help:"Speed after it; 0 is no limit." placeholder:"N"`
	Jitter          *float64       `group:"Every model" help:"Variation of both, as a share." placeholder:"SHARE"`
	ErrorRate       *float64       `name:"error-rate" group:"Every model" help:"Share of requests that fail." placeholder:"SHARE"`
	RateLimitRate   *float64       `name:"rate-limit-rate" group:"Every model" help:"Share of requests refused with 429." placeholder:"SHARE"`
	HangRate        *float64       `name:"hang-rate" group:"Every model" help:"Share of requests that are never answered." placeholder:"SHARE"`
	CutRate         *float64       `name:"cut-rate" group:"Every model" help:"Share of answers that break off." placeholder:"SHARE"`
	StallRate       *float64       `name:"stall-rate" group:"Every model" help:"Share of answers that stop in the middle." placeholder:"SHARE"`
}

// Run serves mock models until it is interrupted.
func (cmd *mockCmd) Run(a *app, p *printer) error {
	if cmd.Example {
		_, err := p.out.Write(mock.DemoFile())
		return err
	}
	profiles, err := cmd.profiles()
	if err != nil {
		return err
	}
	key, err := a.secrets().Resolve(cmd.APIKey)
	if err != nil {
		return err
	}
	server, err := mock.New(mock.Config{Profiles: profiles, Seed: cmd.Seed, APIKey: key, Strict: cmd.Strict})
	if err != nil {
		return err
	}
	c := config.Default()
	c.Listen = cmd.Listen
	if key != "" {
		c.APIKeys = []config.APIKey{{Name: "mock"}} // others may reach it then
	}
	l, err := listen(a.ctx, &c)
	if err != nil {
		return err
	}
	hs := &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- hs.Serve(l) }()
	p.printf("mock models at http://%s/v1\n", l.Addr())
	for _, m := range profiles {
		p.printf("  %s\n", m.Name)
	}
	select {
	case err := <-done:
		return err
	case <-a.ctx.Done():
	}
	_ = hs.Close() // its callers are tests
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// profiles reads the file and lays the flags over every model.
func (cmd *mockCmd) profiles() ([]mock.Profile, error) {
	profiles := mock.Demo()
	if cmd.File != "" {
		data, err := os.ReadFile(cmd.File)
		if err != nil {
			return nil, model.Errorf("", model.KindNotFound, "%s cannot be read: %s", cmd.File, strings.TrimPrefix(err.Error(), "open "))
		}
		if profiles, err = mock.Load(cmd.File, data); err != nil {
			return nil, err
		}
	}
	for i := range profiles {
		m := &profiles[i]
		for _, f := range []struct{ to, from *float64 }{
			{&m.TokensPerSecond, cmd.TokensPerSecond}, {&m.Jitter, cmd.Jitter}, {&m.ErrorRate, cmd.ErrorRate},
			{&m.RateLimitRate, cmd.RateLimitRate}, {&m.HangRate, cmd.HangRate}, {&m.CutRate, cmd.CutRate}, {&m.StallRate, cmd.StallRate},
		} {
			if f.from != nil {
				*f.to = *f.from
			}
		}
		if cmd.TTFT != nil {
			m.TTFT = *cmd.TTFT
		}
	}
	return profiles, nil
}
