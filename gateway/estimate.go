package gateway

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/gateway/internal/strict"
	"github.com/cartrita/cartrita/internal/jsonscan"
	"github.com/cartrita/cartrita/limit"
	"github.com/cartrita/cartrita/model"
)

// estimate serves POST /api/v1/estimate.
func (g *Gateway) estimate(x *exchange) {
	defer x.releaseBody()
	var req cartrita.EstimateRequest
	body, err := x.readBody()
	if err == nil {
		err = g.estimating.Decode(body, &req)
	}
	if err == nil {
		err = x.complete(&req.Criteria)
	}
	if err != nil {
		x.fail(err)
		return
	}
	if err := x.takeLimits("", limit.Tokens{}); err != nil {
		x.fail(err)
		return
	}
	defer x.giveLimits()
	estimates, serr := g.cfg.Service.Estimate(x.r.Context(), req)
	if serr != nil {
		x.fail(model.AsError(serr))
		return
	}
	x.writeJSON(map[string]any{"estimates": orEmpty(estimates)})
}

// getCalibration serves GET /api/v1/estimate/calibration.
func (g *Gateway) getCalibration(x *exchange) {
	x.writeJSON(map[string]any{"calibration": orEmpty(g.cfg.Service.Calibration())})
}

const (
	maxBatchLines  = 10_000 // of one request; a longer file comes in parts
	maxBatchModels = 16     // compared at once
	defaultLevel   = 0.9
)

// estimateBatch serves POST /api/v1/estimate/batch: requests in OpenAI's shape,
// one a line. A line at fault is reported and stops nothing.
func (g *Gateway) estimateBatch(x *exchange) {
	defer x.releaseBody()
	models, level, err := x.batchQuery()
	if err != nil {
		x.fail(err)
		return
	}
	body, err := x.readBody()
	if err != nil {
		x.fail(err)
		return
	}
	if n := bytes.Count(body, []byte{'\n'}); n > maxBatchLines {
		x.fail(model.Errorf(opParse, model.KindTooLarge, "the batch has %d lines; send at most %d at once, and add up the answers", n, maxBatchLines))
		return
	}
	if err := x.takeLimits("", limit.Tokens{}); err != nil {
		x.fail(err)
		return
	}
	defer x.giveLimits()
	report := cartrita.NewBatchReport(level, len(models) > 1)
	for line := range bytes.Lines(body) {
		report.Lines++
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		report.Calls++
		if x.r.Context().Err() != nil { // nobody is there to read the rest
			break
		}
		if err := x.estimateLine(report, line, models); err != nil {
			x.fail(err)
			return
		}
	}
	x.writeJSON(report)
}

func (x *exchange) batchQuery() (models []string, level float64, err *model.Error) {
	q := x.query()
	for _, list := range q.list("model") {
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "" {
				models = append(models, name)
			}
		}
	}
	if len(models) > maxBatchModels {
		q.fail("model", "names %d models; want at most %d", len(models), maxBatchModels)
	}
	level = defaultLevel
	if v := q.text("level"); v != "" {
		var ferr error
		if level, ferr = strconv.ParseFloat(v, 64); ferr != nil || !(level >= 0.5 && level <= 0.99) {
			q.fail("level", "want a share from 0.5 to 0.99, found %.40q", v)
		}
	}
	return models, level, q.done()
}

// estimateLine adds one line to a report, for each of the models or else for
// the one that it names. The error is of a model that no line can be compared for.
func (x *exchange) estimateLine(report *cartrita.BatchReport, line []byte, models []string) *model.Error {
	q, id, err := parseLine(line)
	if err == nil {
		err = x.g.wishes(q, x.r.Header, x.who)
	}
	if err != nil {
		report.Fail(report.Lines, id, "", err)
		return nil
	}
	call := &q.call
	call.ID, call.Received = model.NewCallID(), x.received
	call.Caller, call.Criteria.Allow = x.who.Caller, x.who.Allow
	compared := models
	if len(models) == 0 {
		compared = []string{call.Model}
	}
	for _, name := range compared {
		call.Model = name
		est, serr := x.g.cfg.Service.EstimateCall(x.r.Context(), call, report.Level)
		switch e := model.AsError(serr); {
		case serr != nil && len(models) > 0 && e.Param == "model" && (e.Kind == model.KindNotFound || e.Kind == model.KindForbidden):
			return e
		case serr != nil && len(models) > 0:
			report.Fail(report.Lines, id, name, serr)
		case serr != nil:
			report.Fail(report.Lines, id, "", serr)
		case len(models) > 0:
			report.Add(name, est)
		default:
			report.Add(string(est.Model), est)
		}
	}
	return nil
}

// batchLine is a line of OpenAI's batch format.
type batchLine struct {
	body []byte
	id   string
	url  string
}

// parseLine reads one line of a batch: a body, or a line of OpenAI's batch
// format with the body in it. A body that names no model means "auto".
func parseLine(line []byte) (q *request, id string, err *model.Error) {
	obj, serr := jsonscan.Parse(line)
	if serr != nil {
		return nil, "", strict.ScanError(opParse, serr)
	}
	l := batchLine{body: line}
	_, wrapped := obj.Get("body")
	if wrapped {
		if err := l.unwrap(obj); err != nil {
			return nil, l.id, err
		}
		if obj, serr = jsonscan.Parse(l.body); serr != nil {
			e := strict.ScanError(opParse, serr)
			e.Param = strict.Join("body", e.Param)
			return nil, l.id, e
		}
	}
	parse, err := l.parser(obj)
	if err == nil {
		if _, named := obj.Get("model"); !named {
			l.body = obj.Rewrite(nil, jsonscan.Edit{Key: "model", Value: []byte(`"auto"`)})
		}
		q, err = parse(l.body)
	}
	if err != nil && wrapped && err.Param != "url" {
		e := *err
		e.Param = strict.Join("body", e.Param)
		err = &e
	}
	return q, l.id, err
}

func (l *batchLine) unwrap(obj jsonscan.Object) (err *model.Error) {
	for i := range obj.Members {
		m := &obj.Members[i]
		v := obj.Raw[m.Start:m.End]
		switch m.Key {
		case "custom_id":
			l.id, err = optionalString(m.Key, v)
		case "url":
			l.url, err = optionalString(m.Key, v)
		case "method":
			var method string
			if method, err = optionalString(m.Key, v); err == nil && method != "" && method != "POST" {
				err = model.Invalidf(opParse, m.Key, `is %.20q; want "POST"`, method)
			}
		case "body":
			if l.body, err = objectValue(m.Key, v); err == nil && l.body == nil {
				err = wrongType(m.Key, "an object", v)
			}
		default:
			err = model.Invalidf(opParse, m.Key, "is unknown%s; a line of a batch has custom_id, method, url and body",
				strict.Hint(m.Key, []string{"custom_id", "method", "url", "body"}))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parser finds what reads a body: by the address that the line gives, or by
// what the body holds.
func (l *batchLine) parser(body jsonscan.Object) (func([]byte) (*request, *model.Error), *model.Error) {
	surfaces := []struct {
		url, member string
		parse       func([]byte) (*request, *model.Error)
	}{
		{"/v1/chat/completions", "messages", parseChat},
		{"/v1/completions", "prompt", parseCompletion},
		{"/v1/embeddings", "input", parseEmbeddings},
	}
	for _, s := range surfaces {
		if _, ok := body.Get(s.member); l.url == s.url || l.url == "" && ok {
			return s.parse, nil
		}
	}
	if l.url != "" {
		return nil, model.Invalidf(opParse, "url", "is %.60q; want /v1/chat/completions, /v1/completions or /v1/embeddings", l.url)
	}
	return nil, model.Invalidf(opParse, "messages", "is missing; want messages, prompt or input")
}
