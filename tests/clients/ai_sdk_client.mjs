// Vercel's AI SDK: an object of a given shape, and a round trip through a tool.
import assert from 'node:assert';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';

const { LANTERN_URL: baseURL, LANTERN_KEY: apiKey, LANTERN_MODEL: id } = process.env;
const lantern = createOpenAICompatible({
  name: 'lantern',
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const model = lantern(id);
const common = { model, temperature: 0, maxOutputTokens: 200, maxRetries: 0 };

const person = await generateText({
  ...common,
  prompt: 'Ada is 36 years old and writes Rust.',
  output: Output.object({
    schema: jsonSchema({
      type: 'object',
      properties: { name: { type: 'string' }, age: { type: 'integer', minimum: 0, maximum: 150 } },
      required: ['name', 'age'],
      additionalProperties: false,
    }),
  }),
});
assert.equal(typeof person.output.name, 'string');
assert.ok(Number.isInteger(person.output.age));

const cities = [];
const trip = await generateText({
  ...common,
  prompt: 'What is the weather in Lisbon? Use the tool.',
  stopWhen: stepCountIs(2),
  prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? 'required' : 'none' }),
  tools: {
    get_weather: tool({
      description: 'Tells the weather in a city',
      inputSchema: jsonSchema({
        type: 'object',
        properties: { city: { type: 'string' } },
        required: ['city'],
        additionalProperties: false,
      }),
      execute: async ({ city }) => {
        cities.push(city);
        return 'It is 23.5 degrees and raining frogs.';
      },
    }),
  },
});
assert.ok(cities.length > 0 && typeof cities[0] === 'string', 'the tool was not called');
assert.equal(trip.steps.length, 2);

let text = '';
for await (const piece of streamText({ ...common, prompt: 'Count to five.' }).textStream) text += piece;
assert.ok(text.length > 0);
