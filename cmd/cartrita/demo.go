package main

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cartrita/cartrita/config"
	"github.com/cartrita/cartrita/mock"
	"github.com/cartrita/cartrita/model"
)

// demoMode says when demo models are started.
type demoMode string

// The modes.
const (
	demoOff  demoMode = ""
	demoOn   demoMode = "on"
	demoAuto demoMode = "auto" // where there is nothing else to route to
)

// Decode reads --demo, --demo=auto, --demo=on and --demo=off.
func (m *demoMode) Decode(ctx *kong.DecodeContext) error {
	*m = demoOn
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	switch v := ctx.Scan.Pop().Value; v {
	case "on", "true", true:
	case "auto":
		*m = demoAuto
	case "off", "false", false:
		*m = demoOff
	default:
		return errors.New("want auto, on or off")
	}
	return nil
}

// IsBool lets the flag stand without a value.
func (demoMode) IsBool() bool { return true }

// startDemo starts the demo models on a free port of this machine. Nothing
// behind it knows that they are no real ones: they are a provider like any
// other.
func startDemo() (f found, stop func(), err error) {
	ms, err := mock.New(mock.Config{Profiles: mock.Demo(), Seed: 1})
	if err != nil {
		return f, nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // opens at once
	if err != nil {
		return f, nil, model.Errorf("", model.KindUnavailable, "cannot start the demo models: %v", err)
	}
	hs := &http.Server{Handler: ms, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = hs.Serve(l) // ends with stop
	}()
	f.records = mock.DemoModels()
	f.provider = config.Provider{
		Name: mock.DemoProvider, Kind: model.ProviderOpenAI, BaseURL: "http://" + l.Addr().String() + "/v1", Endpoints: endpointsOf(f.records),
	}
	return f, func() {
		_ = hs.Close() // the gateway is gone by then
		<-done
	}, nil
}

func endpointsOf(records []model.Model) []config.Endpoint {
	out := make([]config.Endpoint, len(records))
	for i, m := range records {
		out[i] = config.Endpoint{Model: m.ID, Upstream: m.Upstream}
	}
	return out
}

var _ kong.MapperValue = (*demoMode)(nil)
