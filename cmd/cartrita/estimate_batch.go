package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/cartrita/cartrita"
	"github.com/cartrita/cartrita/model"
)

type estimateBatchCmd struct {
	File  string   `arg:"" help:"File of requests, one JSON object a line: bodies of OpenAI calls, or lines of OpenAI's batch format. - is standard input."`
	Model []string `short:"m" help:"Compare these models, instead of the one that each request names; separated by commas." placeholder:"NAME"`
	Level float64  `default:"0.9" help:"Share of batches whose cost is to lie between low and high." placeholder:"SHARE"`
}

// A part of the file is sent at once: so many lines, or bytes if they are long.
const (
	partLines = 500
	partBytes = 1 << 20
)

// Run adds up what the requests of a file would cost. Lines at fault are
// listed, and make the command fail in the end.
func (cmd *estimateBatchCmd) Run(a *app, g *globals, p *printer) error {
	in, size, err := cmd.open(a)
	if err != nil {
		return err
	}
	defer in.Close()
	c, err := a.connect(g)
	if err != nil {
		return err
	}
	defer c.close()
	bar := p.progress(size)
	report, err := cmd.estimate(a, c, io.TeeReader(in, bar))
	_ = bar.Finish() // only paints
	if err != nil {
		return err
	}
	if p.json {
		err = p.batchJSON(report)
	} else {
		p.printBatch(report)
		p.printBatchErrors(report)
	}
	if n := failedLines(report); err == nil && n > 0 {
		err = model.Invalidf("", cmd.File, "%s of %d could not be estimated", plural(n, "line"), report.Calls)
	}
	return err
}

func (cmd *estimateBatchCmd) open(a *app) (io.ReadCloser, int64, error) {
	if cmd.File == "-" {
		return io.NopCloser(a.in), -1, nil
	}
	f, err := os.Open(cmd.File)
	switch {
	case os.IsNotExist(err):
		return nil, 0, model.Errorf("", model.KindNotFound, "there is no file %s", cmd.File)
	case err != nil:
		return nil, 0, model.Invalidf("", cmd.File, "cannot be read: %v", err)
	}
	info, err := f.Stat()
	if err != nil {
		return f, -1, nil //nolint:nilerr // the size is for the bar only
	}
	return f, info.Size(), nil
}

// estimate sends the file part by part and adds up the answers.
func (cmd *estimateBatchCmd) estimate(a *app, c *client, in io.Reader) (*cartrita.BatchReport, error) {
	query := url.Values{"level": {strconv.FormatFloat(cmd.Level, 'g', -1, 64)}}
	for _, name := range cmd.Model {
		query.Add("model", name)
	}
	report := cartrita.NewBatchReport(cmd.Level, len(cmd.Model) > 1)
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		part, err := nextPart(r)
		if err != nil {
			return nil, model.Invalidf("", cmd.File, "cannot be read: %v", err)
		}
		if len(part) == 0 {
			return report, nil
		}
		raw, err := c.exchange(a.ctx, http.MethodPost, "/api/v1/estimate/batch", query, "application/jsonl", bytes.NewReader(part))
		if err != nil {
			return nil, err
		}
		one, err := decode[cartrita.BatchReport](raw)
		if err != nil {
			return nil, err
		}
		report.Merge(&one)
	}
}

// nextPart reads whole lines up to the size of a part; none at the end.
func nextPart(r *bufio.Reader) ([]byte, error) {
	var part []byte
	for n := 0; n < partLines && len(part) < partBytes; n++ {
		line, err := r.ReadBytes('\n')
		part = append(part, line...)
		if errors.Is(err, io.EOF) {
			return part, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return part, nil
}

// progress shows on a terminal how much of the file was read; nothing elsewhere.
func (p *printer) progress(size int64) *progressbar.ProgressBar {
	if !isTerminal(p.err) || p.json {
		return progressbar.DefaultBytesSilent(size)
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetDescription("estimating"), progressbar.OptionSetWriter(p.err), progressbar.OptionShowBytes(true),
		progressbar.OptionSetWidth(20), progressbar.OptionThrottle(60*time.Millisecond), progressbar.OptionClearOnFinish(),
	)
}
