package intake

import "github.com/godwit-mail/godwit/shared/blob"

// gather collects content until there is enough of it for a frame, so that what is
// stored meanwhile, in memory or on the temporary disk, are frames already.
type gather struct {
	budget *Budget
	framer *blob.Framer
	mem    []*chunk
	held   int
}

func (g *gather) write(p []byte) error {
	for len(p) > 0 {
		if g.held == blob.FrameSize {
			if err := g.flush(); err != nil {
				return err
			}
		}
		if g.held == len(g.mem)*chunkSize {
			g.mem = append(g.mem, g.budget.chunk())
		}
		n := copy(g.mem[g.held/chunkSize][g.held%chunkSize:], p)
		g.held += n
		p = p[n:]
	}
	return nil
}

// flush makes a frame of what is held.
func (g *gather) flush() error {
	if g.held == 0 {
		return nil
	}
	content := g.mem[0][:min(g.held, chunkSize)]
	if g.held > chunkSize {
		whole := g.budget.frame()
		defer g.budget.frames.Put(whole)
		content = whole[:0]
		for i, c := range g.mem {
			content = append(content, c[:min(g.held-i*chunkSize, chunkSize)]...)
		}
	}
	err := g.framer.Frame(content)
	g.held = 0
	return err
}

// free gives everything back.
func (g *gather) free() {
	for _, c := range g.mem {
		g.budget.spare.Put(c)
	}
	g.mem, g.held = nil, 0
}
