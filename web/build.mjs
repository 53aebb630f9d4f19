/* SPDX-License-Identifier: Apache-2.0 */
// Bundles the islands and styles into the Python package, each under a name that carries its content's hash. Decides nothing about pages.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = process.env.MUNIMENT_STATIC ?? path.join(here, "../src/muniment/app/web/static");
const manifest = {};

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: ["src/app.ts", "src/try-it.ts", "styles/app.css", "styles/try-it.css"],
  outdir: out,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  sourcemap: false,
  target: ["es2022", "chrome110", "firefox115", "safari16.4"],
  legalComments: "external",
  metafile: true,
  logLevel: "warning",
});
for (const [file, output] of Object.entries(result.metafile.outputs)) {
  if (output.entryPoint) {
    const name = path.basename(output.entryPoint).replace(/\.ts$/, ".js");
    manifest[name] = path.basename(file);
  }
}

// Swagger UI comes bundled by its makers; copied whole, served from our own address, its telemetry package never run.
const swagger = path.dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
for (const name of ["swagger-ui-bundle.js", "swagger-ui.css"]) {
  const content = readFileSync(path.join(swagger, name), "utf8").replace(/\n?(\/\/#|\/\*#) sourceMappingURL=.*$/m, "");
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 8).toUpperCase();
  const hashed = name.replace(/(\.[a-z]+)$/, `-${hash}$1`);
  writeFileSync(path.join(out, hashed), content);
  manifest[name] = hashed;
}
writeFileSync(path.join(out, "swagger-ui-LICENSE.txt"), readFileSync(path.join(swagger, "LICENSE")));

const icon = readFileSync(path.join(here, "src/icon.svg"));
writeFileSync(path.join(out, "icon.svg"), icon);
manifest["icon.svg"] = "icon.svg";

writeFileSync(path.join(out, "manifest.json"), JSON.stringify(manifest, null, 2) + "\n");
