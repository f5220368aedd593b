package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cartrita/cartrita/internal/sse"
	"github.com/cartrita/cartrita/model"
)

type chatCmd struct {
	Prompt []string `arg:"" optional:"" help:"What to say. Without it, standard input is read; on a terminal a conversation begins."`

	Model       string   `short:"m" default:"auto" help:"auto, auto:<strategy>, or a model by id, canonical id or alias." placeholder:"NAME"`
	Strategy    string   `short:"s" help:"Routing strategy, with auto." placeholder:"NAME"`
	System      string   `help:"System message." placeholder:"TEXT"`
	MaxTokens   int      `name:"max-tokens" help:"Longest answer." placeholder:"N"`
	Temperature *float64 `help:"Temperature." placeholder:"T"`
	Session     string   `help:"Session id to record." placeholder:"ID"`
	NoStream    bool     `name:"no-stream" help:"Wait for the whole answer."`
}

type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// Run sends one message, or holds a conversation.
func (cmd *chatCmd) Run(a *app, g *globals, p *printer) error {
	prompt := strings.Join(cmd.Prompt, " ")
	talk := prompt == "" && isTerminal(a.in) && !p.json
	if prompt == "" && !talk {
		raw, err := io.ReadAll(a.in)
		if err != nil {
			return err
		}
		if prompt = strings.TrimSpace(string(raw)); prompt == "" {
			return model.Invalidf("", "", "nothing to say: give a prompt, or text on standard input")
		}
	}
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	s := &session{cmd: cmd, c: c, p: p}
	if cmd.System != "" {
		s.messages = append(s.messages, message{"system", cmd.System})
	}
	if talk {
		return s.talk(a.ctx, a.in)
	}
	return s.say(a.ctx, prompt)
}

// session is one conversation.
type session struct {
	cmd      *chatCmd
	c        *client
	p        *printer
	messages []message
}

// talk reads lines until the end of the input. A refused message does not end
// the conversation.
func (s *session) talk(ctx context.Context, in io.Reader) error {
	s.p.notef("Talk; an empty line or Ctrl-D ends.")
	lines := bufio.NewScanner(in)
	for {
		s.p.printf("%s", s.p.style(cyan, "> "))
		if !lines.Scan() || strings.TrimSpace(lines.Text()) == "" {
			return lines.Err()
		}
		if err := s.say(ctx, lines.Text()); err != nil {
			if ctx.Err() != nil {
				return err
			}
			s.p.fail(err)
			s.messages = s.messages[:len(s.messages)-1]
		}
	}
}

func (s *session) say(ctx context.Context, prompt string) error {
	s.messages = append(s.messages, message{"user", prompt})
	body := map[string]any{"model": s.cmd.Model, "messages": s.messages}
	if s.cmd.MaxTokens > 0 {
		body["max_tokens"] = s.cmd.MaxTokens
	}
	if s.cmd.Temperature != nil {
		body["temperature"] = *s.cmd.Temperature
	}
	own := map[string]any{}
	if s.cmd.Strategy != "" {
		own["strategy"] = s.cmd.Strategy
	}
	if s.cmd.Session != "" {
		own["context"] = map[string]any{"session_id": s.cmd.Session}
	}
	if len(own) > 0 {
		body["cartrita"] = own
	}
	stream := !s.cmd.NoStream && !s.p.json
	if stream {
		body["stream"] = true
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	began := time.Now()
	resp, err := s.c.do(ctx, http.MethodPost, "/v1/chat/completions", nil, "application/json", bytes.NewReader(raw))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer := s.whole
	if stream {
		answer = s.stream
	}
	text, usage, err := answer(resp)
	if err != nil {
		return err
	}
	s.messages = append(s.messages, message{"assistant", text})
	s.footer(resp, usage, time.Since(began))
	return nil
}

// chatUsage is what a footer shows of OpenAI's usage object.
type chatUsage struct {
	Input  int64 `json:"prompt_tokens"`
	Output int64 `json:"completion_tokens"`
}

func (s *session) whole(resp *http.Response) (string, *chatUsage, error) {
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", nil, s.c.unreachable(err)
	}
	if s.p.json {
		return "", nil, s.p.raw(raw)
	}
	answer, err := decode[struct {
		Choices []struct {
			Message message `json:"message"`
		} `json:"choices"`
		Usage *chatUsage `json:"usage"`
	}](raw)
	if err != nil || len(answer.Choices) == 0 {
		return "", nil, errors.Join(err, model.Errorf("", model.KindUpstream, "the answer holds no message"))
	}
	text := answer.Choices[0].Message.Content
	s.p.printf("%s\n", text)
	return text, answer.Usage, nil
}

// chatChunk is one event of a streamed answer.
type chatChunk struct {
	Choices []struct {
		Delta struct {
			Content   string `json:"content"`
			Reasoning string `json:"reasoning_content"`
		} `json:"delta"`
	} `json:"choices"`
	Usage *chatUsage `json:"usage"`
	Error *struct {
		Message string `json:"message"`
		Code    string `json:"code"`
	} `json:"error"`
}

func (s *session) stream(resp *http.Response) (string, *chatUsage, error) {
	var (
		text      strings.Builder
		usage     *chatUsage
		reasoning bool
	)
	events := sse.NewReader(resp.Body, nil, maxAnswer)
	for {
		e, err := events.Next()
		if err != nil {
			s.p.printf("\n")
			if errors.Is(err, io.EOF) {
				return "", nil, model.Errorf("", model.KindUpstream, "the answer broke off")
			}
			return "", nil, s.c.unreachable(err)
		}
		if string(e.Data) == "[DONE]" {
			s.p.printf("\n")
			_, _ = io.Copy(io.Discard, resp.Body) // the trailers come after the last byte
			return text.String(), usage, nil
		}
		chunk, err := decode[chatChunk](e.Data)
		switch {
		case err != nil:
			return "", nil, err
		case chunk.Error != nil:
			s.p.printf("\n")
			return "", nil, streamError(chunk.Error.Message, chunk.Error.Code)
		case chunk.Usage != nil:
			usage = chunk.Usage
		}
		for _, choice := range chunk.Choices {
			if r := choice.Delta.Reasoning; r != "" {
				reasoning = true
				s.p.printf("%s", s.p.style(dim, r))
			}
			if t := choice.Delta.Content; t != "" {
				if reasoning {
					reasoning = false
					s.p.printf("\n\n")
				}
				text.WriteString(t)
				s.p.printf("%s", t)
			}
		}
	}
}

func streamError(message, code string) error {
	e := &model.Error{Kind: model.KindUpstream, Message: message}
	var kind model.Kind
	if kind.UnmarshalText([]byte(code)) == nil {
		e.Kind = kind
	}
	return e
}

// footer shows who answered, what it cost and how long it took. It is no part
// of the answer, so it goes to standard error.
func (s *session) footer(resp *http.Response, usage *chatUsage, took time.Duration) {
	if s.p.json {
		return
	}
	parts := []string{resp.Header.Get("X-Cartrita-Model")}
	if id := resp.Header.Get("X-Cartrita-Endpoint"); id != "" && id != parts[0] {
		parts = append(parts, "at "+id)
	}
	cost := resp.Trailer.Get("X-Cartrita-Cost-Usd")
	if cost == "" {
		cost = resp.Header.Get("X-Cartrita-Cost-Usd")
	}
	if cost == "" {
		parts = append(parts, "price unknown")
	} else {
		parts = append(parts, "$"+cost)
	}
	if usage != nil {
		parts = append(parts, strconv.FormatInt(usage.Input, 10)+" + "+strconv.FormatInt(usage.Output, 10)+" tokens")
	}
	parts = append(parts, took.Round(10*time.Millisecond).String())
	if n := resp.Header.Get("X-Cartrita-Attempts"); n != "" && n != "1" {
		parts = append(parts, n+" attempts")
	}
	s.p.notef("%s", strings.Join(parts, " · "))
	if id := resp.Header.Get("X-Cartrita-Call-Id"); id != "" && s.p.tty {
		s.p.notef("why? cartrita explain %s", id)
	}
}
