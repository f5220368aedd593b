// Command lint reads the compose file as docker compose does, and checks the
// Dockerfile by BuildKit's own rules. It needs neither an engine nor a registry.
// It is a module of its own: the two bring many dependencies.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: lint DIRECTORY, with compose.yaml and Dockerfile in it")
		os.Exit(2)
	}
	err := errors.Join(compose(os.Args[1]+"/compose.yaml"), dockerfile(os.Args[1]+"/Dockerfile"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// compose loads the project, with the variables that it demands.
func compose(path string) error {
	o, err := cli.NewProjectOptions([]string{path}, cli.WithEnv([]string{"POSTGRES_PASSWORD=given", "KEYS_SECRET=given-and-of-thirty-two-characters"}))
	if err != nil {
		return err
	}
	_, err = o.LoadProject(context.Background())
	return err
}

// dockerfile asks for warnings about every stage.
func dockerfile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	source := llb.NewSourceMap(nil, path, "Dockerfile", raw)
	source.Definition = &llb.Definition{}
	found, err := dockerfile2llb.DockerfileLint(context.Background(), raw, dockerfile2llb.ConvertOpt{SourceMap: source, MetaResolver: offline{}})
	if err != nil {
		return err
	}
	if found.Error != nil {
		err = fmt.Errorf("%s: %s", path, found.Error.Message)
	}
	for _, w := range found.Warnings {
		err = errors.Join(err, fmt.Errorf("%s: %s: %s", path, w.RuleName, w.Detail))
	}
	return err
}

// offline knows nothing of base images but that they are there.
type offline struct{}

// ResolveImageConfig implements llb.ImageMetaResolver.
func (offline) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	config, err := json.Marshal(ocispecs.Image{Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"}})
	return ref, digest.FromBytes(config), config, err
}
