/* SPDX-License-Identifier: Apache-2.0 */
// Starts Swagger UI on our own OpenAPI document; everything it needs comes from our own address.

interface SwaggerBundle {
  (options: Record<string, unknown>): unknown;
  presets: { apis: unknown };
}

declare const SwaggerUIBundle: SwaggerBundle;

interface OutgoingRequest {
  headers: Record<string, string>;
}

const place = document.getElementById("try-it");
if (place?.dataset["document"]) {
  const token = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
  SwaggerUIBundle({
    url: place.dataset["document"],
    domNode: place,
    deepLinking: true,
    validatorUrl: null,
    presets: [SwaggerUIBundle.presets.apis],
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    tryItOutEnabled: false,
    withCredentials: true,
    requestInterceptor: (request: OutgoingRequest) => {
      // The page's own session signs the requests, so they carry its CSRF token as every form does.
      request.headers["X-CSRF-Token"] = token;
      return request;
    },
  });
}
